-- await_all, await_any and wait_all.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await
local await_all, await_any = goroutine.await_all, goroutine.await_any

everywhere("await_all gives the results in the order of the handles", function()
  local handles = {}
  for i = 1, 50 do
    handles[i] = async(function()
      for _ = 1, (51 - i) * 3 do goroutine.yield() end
      return i
    end)
  end
  local results = await_all(handles)
  equal(#results, 50)
  for i, result in ipairs(results) do
    same(result, { success = true, values = { n = 1, i } })
  end
end)

everywhere("await_all keeps nils and tells how many values there are", function()
  local results = await_all({ async(function() return nil, 2, nil end), async(function() end) })
  same(results, { { success = true, values = { n = 3, nil, 2, nil } }, { success = true, values = { n = 0 } } })
end)

everywhere("await_all tells failures from successes, with error and traceback", function()
  local results = await_all({
    async(function() return 1 end),
    async(function() error({ code = 5 }) end),
    async(function() error("text", 0) end),
  })
  equal(#results, 3)
  same(results[1], { success = true, values = { n = 1, 1 } })
  equal(results[2].success, false)
  equal(results[2].error.code, 5)
  equal(results[2].values, nil)
  equal(results[3].error, "text")
  equal(results[3].traceback:sub(1, 15), "stack traceback")
end)

everywhere("await_all of none is an empty list", function()
  gives(values(0), #await_all({}))
end)

everywhere("the same handle may stand in a list twice", function()
  local handle = async(function() return "both" end)
  local results = await_all({ handle, handle })
  equal(results[1].values[1], "both")
  equal(results[2].values[1], "both")
end)

everywhere("await_all ends by its limit with those that had ended", function()
  local gate = goroutine.channel()
  local quick = async(function() return "quick" end)
  local slow = async(function() return (gate:receive()) end)
  await(quick)
  local took, results = timed(await_all, { slow, quick }, 30)
  assert(took >= 30, took)
  equal(#results, 2)
  equal(results[1].success, false)
  equal(results[1].error, "timeout exceeded")
  same(results[2], { success = true, values = { n = 1, "quick" } })
  gate:send("late")
  gives(values(true, "late"), await(slow))
end)

everywhere("await_all over a cancelled goroutine says that it was", function()
  local handle = async(function() goroutine.sleep(1e9) end)
  handle:cancel("enough")
  local result = await_all({ handle })[1]
  equal(result.success, false)
  equal(goroutine.is_cancelled(result.error), true)
  equal(tostring(result.error), "cancelled: enough")
end)

everywhere("a hole or a stranger in the list is a wrong call that says where", function()
  local handle = async(function() end)
  for _, f in pairs({ await_all = await_all, await_any = await_any }) do
    contains(raises("bad argument #1", f, { handle, nil, handle }), "[2]")
    contains(raises("bad argument #1", f, { handle, handle, 3 }), "[3]")
    contains(raises("bad argument #1", f, { goroutine.channel() }), "[1]")
  end
end)

everywhere("await_any gives the index and the values of the first to end", function()
  local gate = goroutine.channel()
  local function wait() return (gate:receive()) end
  local handles = { async(wait), async(function() return "a", nil, "c" end), async(wait) }
  gives(values(2, true, "a", nil, "c"), await_any(handles))
  gives(values(2, true, "a", nil, "c"), await_any(handles, 1000))
  gate:send("first")
  local index, ok, value = await_any({ handles[1], handles[3] })
  equal(ok, true)
  equal(value, "first")
  assert(index == 1 or index == 2, index)
  gate:close()
end)

everywhere("await_any gives the index, false and the error of one that fails first", function()
  local gate = goroutine.channel()
  local waiting = async(function() return (gate:receive()) end)
  gives(values(2, false, "broken"), await_any({ waiting, async(function() error("broken", 0) end) }))
  gate:close()
end)

everywhere("await_any ends by its limit", function()
  local gate = goroutine.channel()
  local waiting = async(function() return (gate:receive()) end)
  gives(values(nil, false, "timeout exceeded"), await_any({ waiting }, 20))
  gives(values(nil, false, "timeout exceeded"), await_any({ waiting, waiting }, 0))
  gate:close()
end)

everywhere("await_any of none is a wrong call, not a wait for ever", function()
  raises("bad argument #1 to 'await_any'", await_any, {})
end)

everywhere("await_any leaves the others to be awaited", function()
  local gate = goroutine.channel()
  local handles = {}
  for i = 1, 10 do
    handles[i] = async(function() return (gate:receive()) end)
  end
  local left = {}
  for i = 1, 10 do left[i] = handles[i] end
  local seen = {}
  for n = 1, 10 do
    gate:send(n)
    local index, ok, value = await_any(left)
    equal(ok, true)
    equal(seen[value], nil)
    seen[value] = true
    table.remove(left, index)
  end
end)

test("wait_all returns when none is left", function()
  local gate, count = goroutine.channel(), goroutine.atomic_int()
  for _ = 1, 100 do
    goroutine.spawn(function()
      gate:receive()
      count:add()
    end)
  end
  gives(values(false, "timeout exceeded"), goroutine.wait_all(10))
  gate:close()
  gives(values(true), goroutine.wait_all())
  equal(count:load(), 100)
  gives(values(true), goroutine.wait_all(0))
end)

test("wait_all in a goroutine waits for those that it started", function()
  local gate = goroutine.channel()
  gives(values(true, 5), await(async(function()
    local count = goroutine.atomic_int()
    goroutine.spawn_many(5, function()
      goroutine.sleep(5)
      count:add()
    end)
    assert(goroutine.wait_all())
    return count:load()
  end)))
  gives(values(true, false, "timeout exceeded"), await(async(function()
    goroutine.spawn(function() gate:receive() end)
    return goroutine.wait_all(10)
  end)))
  gate:close()
end)

test("wait_all does not hang on goroutines that failed or were cancelled", function()
  local failed = async(function() error("broken") end)
  local cancelled = async(function() goroutine.sleep(1e9) end)
  cancelled:cancel()
  gives(values(true), goroutine.wait_all(30000))
  equal(await(failed), false)
  equal(cancelled:status(), "cancelled")
end)

finish()
