-- "I cancelled a few thousand jobs, and the memory stayed: what they had captured was kept as long as their handles were, or
-- for ever."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- What a goroutine holds can be seen from outside by a failure that nobody has awaited: it is reported when its last handle is
-- gone, wherever that was. So each of these jobs captures the handle of one.
local reports = reports

local function failure(name)
  local handle = async(function() error(name, 0) end)
  eventually("it has failed", function() return handle:done() end)
  return handle
end

-- Waits until the failures of these names have been told, while `held` is held.
local function let_go(names, held)
  local waiting, left = {}, #names
  for _, name in ipairs(names) do waiting[name] = true end
  eventually("what " .. left .. " cancelled goroutines had captured is gone", function()
    collect()
    goroutine.await_all(goroutine.spawn_many(20, collect))
    for _, report in ipairs(reports()) do
      local name = report:match("failed: ([%w ]+)")
      assert(waiting[name], report)
      waiting[name], left = nil, left - 1
    end
    return left == 0
  end)
  return held
end

if reports then
  test("those that waited let go of what they captured, though their handles are held", function()
    local handles, names = {}, {}
    for i = 1, 20 do
      names[i] = "waiting " .. i
      local captured = failure(names[i])
      handles[i] = async(function()
        goroutine.sleep(1e9)
        return captured
      end)
      parked(handles[i])
    end
    collect()
    same(reports(), {})
    for _, handle in ipairs(handles) do handle:cancel() end
    equal(#let_go(names, handles), 20)
    for _, handle in ipairs(handles) do equal(handle:status(), "cancelled") end
  end)

  -- A pool whose only worker is taken, and 20 tasks in its queue with what they captured.
  local function queued(name)
    goroutine.pool_create(name, { workers = 1, queue = 20 })
    local gate = occupy_pool(name, 1)
    local handles, names = {}, {}
    for i = 1, 20 do
      names[i] = name .. " " .. i
      local captured = failure(names[i])
      handles[i] = goroutine.pool_async(name, function() return captured end)
    end
    return handles, names, gate
  end

  test("those in a pool's queue let go at once", function()
    local handles, names, gate = queued("turn")
    for _, handle in ipairs(handles) do handle:cancel() end
    let_go(names, handles)
    equal(goroutine.pool_stats("turn").cancelled, 20)
    gate:close()
    goroutine.pool_close("turn")
  end)

  test("those that no isolate has begun let go at once", function()
    local captured, names, handles = {}, {}, {}
    for i = 1, 20 do
      names[i] = "not begun " .. i
      captured[i] = failure(names[i])
    end
    local go_on = occupy_isolates()
    for i = 1, 20 do
      local it = captured[i]
      handles[i] = async(function()
        goroutine.sleep(1e9)
        return it
      end)
    end
    captured = nil
    for _, handle in ipairs(handles) do handle:cancel() end
    for _, handle in ipairs(handles) do equal((await(handle, 20000)), false) end
    go_on()
    let_go(names, handles)
  end)

  test("and when the pool is closed with all that it has", function()
    local handles, names = queued("closed")
    goroutine.pool_close("closed", { cancel = true })
    let_go(names, handles)
  end)

  test("a sender that is cancelled takes its value with it", function()
    local channel = goroutine.channel()
    local captured = failure("in a value")
    local handle = async(function(value) channel:send({ value }) end, captured)
    captured = nil
    parked(handle)
    handle:cancel()
    let_go({ "in a value" }, handle)
    gives(values(nil, false), channel:try_receive())
  end)

  test("a limit that has passed lets go, too", function()
    local captured = failure("out of time")
    gives(values(false, "timeout exceeded"), goroutine.timeout(5, function(it)
      goroutine.sleep(1e9)
      return it
    end, captured))
    captured = nil
    let_go({ "out of time" })
  end)
end

finish()
