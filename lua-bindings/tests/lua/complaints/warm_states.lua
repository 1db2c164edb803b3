-- "Each thread is a new Lua state that loads all my modules again, so I start few of them; and when I keep states for later work,
-- they remember what the last job left in them."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["nothing of a job is there in the next one"] = "goroutines have the globals of the script",
  ["one that was cancelled leaves nothing either"] = "goroutines have the globals of the script",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await
local unpack = table.unpack or unpack

test("2,000 goroutines share a few states, each of which has loaded a module once", function()
  local loads = goroutine.atomic_int()
  package.preload.slow_to_load = function()
    loads:add()
    return { answer = 42 }
  end
  local states, count = {}, 0
  for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(2000, function()
    return require("slow_to_load").answer, tostring(string)
  end))) do
    assert(result.success, result.error)
    local answer, state = unpack(result.values)
    equal(answer, 42)
    if not states[state] then states[state], count = true, count + 1 end
  end
  package.preload.slow_to_load = nil
  assert(count <= 256, count .. " states")
  equal(loads:load(), count)
end)

everywhere("nothing of a job is there in the next one", function()
  for i = 1, 200 do
    local handle = async(function()
      local before = values(left_global, rawget(_G, "left_raw"), upper, getmetatable(_G) and true)
      left_global, _G.left_raw = "left", "left"
      rawset(_G, "upper", string.upper)
      setmetatable(_G, { __index = function() return "left" end })
      coroutine.wrap(function() left_in_a_coroutine = true end)()
      if i % 3 == 0 then error("failed", 0) end
      return unpack(before, 1, before.n)
    end)
    local results = values(await(handle))
    if i % 3 == 0 then
      gives(values(false, "failed"), results[1], results[2])
    else
      gives(values(true, nil, nil, nil), unpack(results, 1, 4))
    end
  end
  equal(left_global, nil)
end)

everywhere("one that was cancelled leaves nothing either", function()
  for _ = 1, 50 do
    local handle = async(function()
      left_by_cancelled = true
      goroutine.sleep(1e9)
    end)
    parked(handle)
    handle:cancel()
    await(handle)
    gives(values(true, nil), await(async(function() return left_by_cancelled end)))
  end
end)

-- The largest of the states, in KB.
local function largest()
  local most = 0
  for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(64, function()
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end))) do
    most = math.max(most, result.values[1])
  end
  return most
end

test("states do not grow with what has passed through them", function()
  local function wave()
    for _ = 1, 20 do
      local text = ("x"):rep(10000)
      local handles = {}
      for i = 1, 100 do handles[i] = async(function() return #(text .. i) end) end
      for _, result in ipairs(goroutine.await_all(handles)) do assert(result.success, result.error) end
    end
  end
  wave()
  local before = largest()
  wave()
  wave()
  wave()
  local after = largest()
  -- 6,000 goroutines with 10 KB each have passed: a state that kept one in a hundred would be larger than this.
  assert(after < before + 500, ("from %.0f KB to %.0f KB"):format(before, after))
end)

finish()
