-- Errors that nobody awaits are told once, with where the goroutine was started.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

-- Only the harness of cargo's tests can say what was reported; elsewhere it goes to standard error.
local reports = reports
if reports then
  local async, await = goroutine.async, goroutine.await

  -- Waits for so many reports, and makes sure that no more come.
  local function reported(count)
    local list = {}
    local function take()
      collect()
      for _, report in ipairs(reports()) do list[#list + 1] = report end
      return #list >= count
    end
    eventually(count .. " reports", take)
    goroutine.await_all(goroutine.spawn_many(20, function() collectgarbage() end))
    take()
    equal(#list, count)
    return list
  end

  test("an error of spawn is reported at once, though the handle is there", function()
    local handle = goroutine.spawn(function() error("broken", 0) end)
    local report = reported(1)[1]
    contains(report, "goroutine " .. handle:id())
    contains(report, "failed: broken")
    contains(report, "stack traceback")
    assert(report:match("started at [^\n]*reports%.lua:%d+%)"), report)
    local ok, err = await(handle)
    gives(values(false, "broken"), ok, err)
    reported(0)
  end)

  test("an error of spawn that is awaited before it fails is reported once", function()
    local handle = goroutine.spawn(function()
      goroutine.sleep(5)
      error("broken", 0)
    end)
    equal(await(handle), false)
    reported(1)
  end)

  test("errors of a pipeline that nobody takes are reported, and those that are taken are not", function()
    local input = goroutine.channel(3)
    for i = 1, 3 do input:send(i) end
    input:close()
    local out, errors = goroutine.pipeline(input, { { fn = function(n) error("value " .. n, 0) end } })
    out:range(function() end)
    equal(errors:receive(), "value 1")
    eventually("the errors are all there", function() return errors:is_closed() end)
    errors, out = nil, nil
    local list = reported(2)
    for i, report in ipairs(list) do
      assert(report:match("^a stage of a pipeline %(made at [^\n]*reports%.lua:%d+%) failed: value " .. i + 1 .. "$"), report)
    end
  end)

  test("an error of async that is awaited is not reported", function()
    local handle = async(function() error("awaited", 0) end)
    equal(await(handle), false)
    handle = nil
    equal(goroutine.await_all({ async(function() error("awaited", 0) end) })[1].success, false)
    equal(select(2, goroutine.await_any({ async(function() error("awaited", 0) end) })), false)
    equal(goroutine.timeout(30000, function() error("awaited", 0) end), false)
    reported(0)
  end)

  test("an error of async whose handle is dropped is reported once", function()
    async(function() error("dropped", 0) end)
    contains(reported(1)[1], "failed: dropped")
  end)

  test("as long as a handle is held somewhere, it is not", function()
    local holder = goroutine.channel(1)
    holder:send(async(function() error("held", 0) end))
    eventually("it has failed", function()
      local handle = holder:receive()
      local status = handle:status()
      holder:send(handle)
      return status == "failed"
    end)
    reported(0)
    equal(await((holder:receive())), false)
    reported(0)
  end)

  test("a failure whose handle lies in a channel that nobody holds any more is reported", function()
    local channel = goroutine.channel(1)
    do
      local handle = async(function() error("in a channel", 0) end)
      eventually("it has failed", function() return handle:done() end)
      channel:send({ inside = handle })
    end
    reported(0)
    channel = nil
    contains(reported(1)[1], "failed: in a channel")
  end)

  test("asking for the status is not awaiting", function()
    local handle = async(function() error("asked", 0) end)
    eventually("it has failed", function() return handle:status() == "failed" and handle:done() end)
    handle = nil
    contains(reported(1)[1], "failed: asked")
  end)

  test("an await that ended by its limit has seen nothing", function()
    local gate = goroutine.channel()
    local handle = async(function()
      gate:receive()
      error("late", 0)
    end)
    gives(values(false, "timeout exceeded"), await(handle, 5))
    gate:close()
    eventually("it has failed", function() return handle:done() end)
    handle = nil
    contains(reported(1)[1], "failed: late")
  end)

  test("each of many is reported once", function()
    goroutine.spawn_many(50, function(id) error("number " .. id, 0) end)
    local seen = {}
    for _, report in ipairs(reported(50)) do
      local id = report:match("failed: number (%d+)")
      assert(id and not seen[id], report)
      seen[id] = true
    end
  end)

  test("an error that is a table is told by its text", function()
    goroutine.spawn(function() error(setmetatable({}, { __tostring = function() return "code 5" end })) end)
    contains(reported(1)[1], "failed: code 5")
    goroutine.spawn(function() error({}) end)
    contains(reported(1)[1], "failed: (error object is a table value)")
    goroutine.spawn(function() error({ code = 5, why = "no route", deep = {}, print, [true] = 1 }) end)
    contains(reported(1)[1], "failed: (error object is a table value: 1 = (a function), code = 5, deep = (a table), why = no route)")
    goroutine.spawn(function() error(setmetatable({}, { __tostring = function() error("oops") end })) end)
    contains(reported(1)[1], "failed: (error object whose __tostring fails)")
  end)

  unless_lua("5.5", "`error(nil)` raises the text `<no error object>`")
  test("an error that is nil is told, too", function()
    goroutine.spawn(function() error(nil) end)
    contains(reported(1)[1], "failed: (error object is a nil value)")
  end)

  test("a task of a pool that fails is reported", function()
    goroutine.pool_create("reporting", { workers = 2 })
    goroutine.pool_submit("reporting", function() error("in a task", 0) end)
    contains(reported(1)[1], "failed: in a task")
    local handle = goroutine.pool_async("reporting", function() error("in a task", 0) end)
    equal(await(handle), false)
    handle = nil
    reported(0)
    goroutine.pool_close("reporting")
  end)

  test("cancelled goroutines are not reported", function()
    for _ = 1, 10 do goroutine.spawn(goroutine.sleep, 1e9):cancel() end
    equal(goroutine.wait_all(30000), true)
    reported(0)
  end)

  test("where it was started is the line of the call, in a goroutine as well", function()
    local lines = goroutine.channel(1)
    await(async(function()
      lines:send(debug.getinfo(1, "l").currentline + 1)
      goroutine.spawn(function() error("inner", 0) end)
    end))
    contains(reported(1)[1], "reports.lua:" .. lines:receive() .. ")")
  end)
end

finish()
