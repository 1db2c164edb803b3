-- list, stats and dump.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["stats count"] = "nothing is copied, and no bytes are counted",
  ["one that computes does not keep dump waiting"] = "nothing runs while one computes",
})
local goroutine = require("goroutine")

local async = goroutine.async

local function has(list, handle)
  for _, one in ipairs(list) do
    if one == handle then return true end
  end
  return false
end

test("stats tell how many isolates there will be, before the first goroutine", function()
  local isolates = goroutine.stats().isolates
  assert(isolates >= 1, isolates)
  async(function() end):await()
  equal(goroutine.stats().isolates, isolates)
end)

everywhere("list gives the handles of those that live, and of no others", function()
  local gate = goroutine.channel()
  local first, second = async(function() gate:receive() end), async(function() gate:receive() end)
  local ended = async(function() end)
  ended:await()
  local list = goroutine.list()
  assert(has(list, first) and has(list, second), "those that live are in it")
  assert(not has(list, ended), "one that has ended is not")
  local here = goroutine.current()
  equal(has(list, here), here ~= nil)
  gate:close()
  first:await()
  second:await()
  assert(not has(goroutine.list(), first))
end)

test("list has those whose handle nobody kept", function()
  local started = goroutine.channel()
  goroutine.spawn(function() goroutine.current():name("forgotten") started:send(true) goroutine.sleep(1e9) end)
  started:receive()
  collect()
  local found
  for _, handle in ipairs(goroutine.list()) do
    if handle:name() == "forgotten" then found = handle end
  end
  assert(found, "it is found")
  found:cancel()
  equal(found:await(30000), false)
end)

test("stats count", function()
  goroutine.wait_all(30000)
  local before = goroutine.stats()
  local gate = goroutine.channel()
  local waiting = {}
  for i = 1, 5 do waiting[i] = async(function(text) gate:receive() return #text end, ("x"):rep(1000)) end
  for i = 1, 5 do parked(waiting[i]) end
  async(function() error("failed") end):await()
  local now = goroutine.stats()
  equal(now.goroutines.waiting - before.goroutines.waiting, 5)
  equal(now.goroutines.started - before.goroutines.started, 6)
  equal(now.goroutines.failed - before.goroutines.failed, 1)
  assert(now.shipped_bytes - before.shipped_bytes >= 5000, now.shipped_bytes - before.shipped_bytes)
  assert(now.isolates >= 1 and now.blocked == 0 and now.interrupts >= 0)
  equal(now.goroutines.queued, 0)
  waiting[1]:cancel()
  waiting[1]:await() -- or else it might receive, since the gate closes
  gate:close()
  goroutine.await_all(waiting)
  eventually("the cancelled one is counted", function()
    return goroutine.stats().goroutines.cancelled - before.goroutines.cancelled == 1
  end)
end)

everywhere("dump tells of each what it waits for, for how long, where it was started, and its stack", function()
  local gate = goroutine.channel()
  local function inner() gate:receive() end
  local h = async(function() inner() end)
  h:name("the waiter")
  parked(h)
  goroutine.sleep(2)
  local text
  eventually("its isolate is not busy", function()
    text = goroutine.dump()
    return text:find("'the waiter'[^\n]*in receive")
  end)
  -- Up to the next one's heading, or the end.
  local line, stack = (text .. "\ngoroutine"):match("goroutine " .. h:id() .. " ([^\n]*)\n(.-)\ngoroutine")
  local milliseconds = line:match("^'the waiter' %(started at [^\n]*looking_in%.lua:%d+%): waiting in receive for (%d+) ms$")
  assert(milliseconds and tonumber(milliseconds) >= 1, text)
  contains(stack, "stack traceback")
  contains(stack, "looking_in.lua:")
  gate:close()
  h:await()
end)

unless_lua("5.1 5.2 jit", "a goroutine that computes keeps its isolate")
everywhere("one that computes does not keep dump waiting", function()
  local stop, running = goroutine.atomic_int(), goroutine.atomic_int()
  local h = async(function()
    running:add()
    while stop:load() == 0 do end
  end)
  eventually("it runs", function() return running:load() == 1 end)
  local took, text = timed(goroutine.dump)
  stop:add()
  contains(text, "goroutine " .. h:id() .. " (started at ")
  assert(took < 15000, took)
  h:await()
end)

test("several may ask at once", function()
  local handles = {}
  for i = 1, 10 do handles[i] = async(function() return goroutine.dump() end) end
  for i, result in ipairs(goroutine.await_all(handles)) do
    contains(result.values[1], "goroutine " .. handles[i]:id())
  end
end)

finish()
