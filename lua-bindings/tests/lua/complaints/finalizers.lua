-- "My objects release something when they are collected. The collector ran while the library held its lock, the finalizer called
-- the library, and the program stood still for ever."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- Sets a parameter of the collector; Lua 5.5 has another word for that. Gives what it was.
local function tune(what, value)
  local ok, was = pcall(collectgarbage, "set" .. what, value)
  return ok and was or collectgarbage("param", what, value)
end

-- Makes garbage whose finalizers call `fn`, and has it collected again and again in the middle of whatever follows.
local function littering(fn, work)
  local mode = { __gc = fn }
  local function drop() setmetatable({}, mode) end
  local pause = tune("pause", 1)
  local speed = tune("stepmul", 4000)
  for _ = 1, 200 do
    for _ = 1, 10 do drop() end
    work()
  end
  tune("pause", pause)
  tune("stepmul", speed)
  collect()
end

unless_lua("5.1 jit", "tables have no finalizers (`__gc`)")
everywhere("finalizers use the very channel that is in use", function()
  local channel, runs = goroutine.channel(3), goroutine.atomic_int()
  littering(function()
    runs:add()
    channel:try_send({ "from a finalizer" })
    channel:try_receive()
    channel:len()
  end, function()
    channel:try_send({ { "text" }, function() return runs end })
    channel:receive(1)
    channel:try_receive()
  end)
  equal(runs:load(), 2000)
end)

unless_lua("5.1 jit", "tables have no finalizers (`__gc`)")
everywhere("finalizers start, cancel and count while others do", function()
  local name = fresh_name()
  goroutine.pool_create(name, { workers = 2, queue = 4, on_full = "error" })
  local group, ran = goroutine.wait_group(), goroutine.atomic_int()
  local sleeper = async(goroutine.sleep, 1e9)
  littering(function()
    group:add()
    goroutine.spawn(function()
      ran:add()
      group:done()
    end)
    goroutine.pool_submit(name, function() end)
    goroutine.pool_stats(name)
    sleeper:status()
    sleeper:done()
  end, function()
    goroutine.pool_submit(name, function() end)
    await(async(function(list) return list end, { {}, {} }))
  end)
  equal(group:wait(30000), true)
  equal(ran:load(), 2000)
  sleeper:cancel()
  equal(await(sleeper), false)
  equal(goroutine.pool_close(name), true)
end)

-- Telling calls the embedder's hook, or writes to standard error. Only the harness of cargo's tests can say what was told.
local reports = reports

if reports then
  test("the last handle of a failure is dropped by the collector, which tells it outside any lock", function()
    local count, told = 50, 0
    for i = 1, count do
      local handle = async(function() error("dropped " .. i, 0) end)
      eventually("it has failed", function() return handle:done() end)
    end
    eventually("all are told", function()
      collect()
      for _, report in ipairs(reports()) do
        contains(report, "dropped")
        told = told + 1
      end
      return told == count
    end)
  end)
end

finish()
