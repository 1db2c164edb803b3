-- What every Lua must be able to do with goroutine.so. Run by lua-module/tests/run in each stock interpreter.
local goroutine = require("goroutine")

local passed, failed = 0, 0
local function test(name, fn)
  local ok, err = pcall(fn)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    io.stderr:write("FAILED: ", name, "\n  ", tostring(err), "\n")
  end
end
local function equal(got, expected)
  if got ~= expected then
    error(("expected %s, got %s"):format(tostring(expected), tostring(got)), 2)
  end
end

test("a goroutine gets arguments, captured variables and globals, and gives results", function()
  local captured = { list = { 1, 2, 3 } }
  function smoke_helper(x)
    return x * 2
  end
  local ok, sum, text = goroutine.await(goroutine.async(function(n)
    return smoke_helper(n) + #captured.list, "done"
  end, 20))
  equal(ok, true)
  equal(sum, 43)
  equal(text, "done")
end)

test("a thousand goroutines and a wait group", function()
  local group, count = goroutine.wait_group(), goroutine.atomic_int()
  for i = 1, 1000 do
    group:add(1)
    goroutine.spawn(function()
      goroutine.sleep(1)
      count:add(i)
      group:done()
    end)
  end
  equal(group:wait(10000), true)
  equal(count:load(), 500500)
end)

test("a pool runs every task once", function()
  goroutine.pool_create("smoke", { workers = 4 })
  local count = goroutine.atomic_int()
  for _ = 1, 1000 do
    assert(goroutine.pool_submit("smoke", function()
      count:add(1)
    end))
  end
  equal(goroutine.pool_wait("smoke"), true)
  equal(count:load(), 1000)
  equal(goroutine.pool_stats("smoke").completed, 1000)
  equal(goroutine.pool_close("smoke"), true)
end)

test("a channel carries values until it is closed and drained", function()
  local channel = goroutine.channel(4)
  goroutine.spawn(function()
    for i = 1, 100 do
      channel:send({ n = i })
    end
    channel:close()
  end)
  local sum = 0
  for value in channel:iter() do
    sum = sum + value.n
  end
  equal(sum, 5050)
end)

test("an error has its line, a traceback and its value", function()
  local ok, err, traceback = goroutine.await(goroutine.async(function()
    error("boom")
  end))
  equal(ok, false)
  equal(err:match("smoke.lua:%d+: boom") ~= nil, true)
  equal(traceback:match("^stack traceback") ~= nil, true)
  local _, value = goroutine.await(goroutine.async(function()
    error({ code = 7 })
  end))
  equal(value.code, 7)
end)

test("a timeout stops what waits", function()
  local before = goroutine.now()
  local ok, err = goroutine.timeout(20, function()
    goroutine.sleep(60000)
  end)
  equal(ok, false)
  equal(err, "timeout exceeded")
  equal(goroutine.now() - before < 10000, true)
end)

test("a generator that blocks inside does so unseen", function()
  local ok, a, b, c = goroutine.await(goroutine.async(function()
    local generator = coroutine.wrap(function()
      for i = 1, 3 do
        goroutine.sleep(1)
        coroutine.yield(i)
      end
    end)
    return generator(), generator(), generator()
  end))
  equal(ok, true)
  equal(a + b * 10 + c * 100, 321)
end)

test("what cannot travel is refused at the start", function()
  local ok, err = pcall(goroutine.spawn, function() end, coroutine.create(function() end))
  equal(ok, false)
  equal(err:find("cannot send argument 1 (coroutine)", 1, true) ~= nil, true)
end)

test("goroutines of the other flavour share the interpreter's variables", function()
  local here = require("goroutine.local")
  local sum, list, mutex = 0, {}, here.mutex()
  for i = 1, 100 do
    here.spawn(function()
      mutex:lock()
      local before = sum
      here.sleep(i % 3 / 10)
      sum = before + i
      list[#list + 1] = i
      mutex:unlock()
    end)
  end
  equal(here.wait_all(20000), true)
  equal(sum, 5050)
  equal(#list, 100)
end)

test("both flavours meet in a channel", function()
  local here, channel, sum = require("goroutine.local"), goroutine.channel(), 0
  local reader = here.async(function()
    for _ = 1, 10 do
      sum = sum + channel:receive()
    end
  end)
  goroutine.spawn(function()
    for i = 1, 10 do
      channel:send(i)
    end
  end)
  equal(here.await(reader), true)
  equal(sum, 55)
end)

test("a generator of the other flavour blocks unseen, while others run", function()
  local here, others = require("goroutine.local"), 0
  local ok, sum = here.await(here.async(function()
    here.spawn(function()
      others = others + 1
    end)
    local generator = coroutine.wrap(function()
      for i = 1, 3 do
        here.sleep(1)
        coroutine.yield(i)
      end
    end)
    return generator() + generator() + generator()
  end))
  equal(ok, true)
  equal(sum, 6)
  equal(others, 1)
end)

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and 0 or 1)
