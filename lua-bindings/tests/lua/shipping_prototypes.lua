-- Functions are known by their prototypes: each start runs the code of the function that was given, whatever had its place
-- in memory before.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["an assignment to a captured variable is refused for each new closure"] = "captured variables are shared",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await
local load = loadstring or load

everywhere("a new closure has its own captured variables", function()
  local handles = {}
  for i = 1, 200 do
    handles[i] = async(function() return i, -i end)
  end
  for i = 1, 200 do
    gives(values(true, i, -i), await(handles[i]))
  end
end)

everywhere("functions that look alike are told apart", function()
  local makers = {
    function(n) return function() return n + 1 end end,
    function(n) return function() return n + 2 end end,
    function(n) return function() return function() return n + 3 end end end,
    function(n) return (function() return function() return n + 4 end end)() end,
  }
  for round = 1, 20 do
    for i, make in ipairs(makers) do
      local ok, result = await(async(make(round)))
      assert(ok, result)
      if i == 3 then
        result = result()
      end
      assert(result == round + i, i .. " in round " .. round .. " gave " .. tostring(result))
    end
  end
end)

everywhere("code that is made and collected never runs in another's place", function()
  for round = 1, 40 do
    local handles = {}
    for i = 1, 40 do
      local n = round * 1000 + i
      -- One of a few shapes each, so that what is collected leaves places of just the right size.
      local body = i % 3 == 0 and "return %d" or i % 3 == 1 and "local a = ... return a and %d" or "return (function() return %d end)()"
      handles[i] = async(load(body:format(n)), true)
      if i % 10 == 0 then
        collectgarbage()
      end
    end
    collectgarbage()
    for i = 1, 40 do
      gives(values(true, round * 1000 + i), await(handles[i]))
    end
  end
end)

everywhere("the same, for closures of code that comes and goes", function()
  for round = 1, 60 do
    local make = load(("local a = ... return function() return a, %d end"):format(round))
    for i = 1, 5 do
      gives(values(true, i, round), await(async(make(i))))
    end
    make = nil
    collectgarbage()
    collectgarbage()
  end
end)

test("what a started function captured is not kept alive at home", function()
  local kept = setmetatable({}, { __mode = "v" })
  local function start()
    local list = { "something" }
    kept[1] = list
    return async(function() return list[1] end)
  end
  gives(values(true, "something"), await(start()))
  collectgarbage()
  collectgarbage()
  assert(kept[1] == nil, "the captured table is still there")
end)

everywhere("an assignment to a captured variable is refused for each new closure", function()
  for i = 1, 3 do
    local n = i
    local ok, err = pcall(async, function() n = n + 1 end)
    assert(not ok and tostring(err):find("'n'", 1, true), tostring(err))
  end
end)

test("goroutines of one closure that live at the same time have captured the values of their own start", function()
  local one, other, gate = goroutine.atomic_int(), goroutine.atomic_int(), goroutine.channel()
  local function start(number, text, object)
    return goroutine.async(function()
      gate:receive()
      object:add(1)
      return math.type and math.type(number) or number, number, text
    end)
  end
  local handles = {}
  -- 1 and 1.0 are equal, and not the same.
  for i, number in ipairs({ 1, 1, 1.0, 1, 2, 1.0, 1 }) do
    handles[i] = { start(number, "a" .. i % 2, i % 3 == 0 and other or one), number, "a" .. i % 2 }
  end
  gate:close()
  for _, expected in ipairs(handles) do
    local handle, number, text = expected[1], expected[2], expected[3]
    gives(values(true, math.type and math.type(number) or number, number, text), handle:await())
  end
  equal(one:load(), 5)
  equal(other:load(), 2)
end)

test("a goroutine that fails takes its closure from none of those that share it", function()
  local gate, n = goroutine.channel(), 7
  local handles = {}
  for i = 1, 20 do
    handles[i] = goroutine.async(function(fails)
      gate:receive()
      if fails then error("on purpose", 0) end
      return n
    end, i % 2 == 0)
  end
  gate:close()
  for i, handle in ipairs(handles) do
    local ok, value = handle:await()
    equal(ok, i % 2 == 1)
    equal(value, i % 2 == 1 and 7 or "on purpose")
    -- Who comes later, with another value, does not change that of those who are still there.
    equal(select(2, goroutine.async(function() return i end):await()), i)
  end
end)

finish()
