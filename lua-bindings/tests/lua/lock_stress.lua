-- Locks while goroutines are cancelled and give up at random: afterwards each can be used, and nobody is left waiting.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

-- STRESS_ROUNDS=500 in the environment makes it 100,000 cancels a storm.
local ROUNDS, EACH = tonumber(os.getenv("STRESS_ROUNDS")) or 6, 200

-- Runs many goroutines that do `work(random)` and cancels each of them at a random moment.
local function storm(work)
  for round = 1, ROUNDS do
    local seed = goroutine.now() * 1000 + round
    local handles = {}
    for i = 1, EACH do
      handles[i] = goroutine.async(function()
        local state = math.floor(seed + i * 7919) % 2147483647
        local function random(n)
          state = (state * 16807) % 2147483647
          return state % n + 1
        end
        for _ = 1, 3 do work(random) end
      end)
    end
    -- In another order than that of the start.
    for i = 1, EACH do
      handles[(i * 77) % EACH + 1]:cancel()
      if i % 16 == 0 then goroutine.yield() end
    end
    for _, handle in ipairs(handles) do
      local ok, err = handle:await(30000)
      assert(ok or goroutine.is_cancelled(err), tostring(err))
    end
  end
end

local function pause(random)
  if random(3) == 1 then goroutine.yield() end
end

-- One that is cancelled while it computes, which it does for long where the machine has other things to do, is stopped
-- wherever it is: nothing below relies on its doing what follows.

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("mutexes are free after a storm", function()
  local m, entered = goroutine.mutex(), goroutine.atomic_int()
  storm(function(random)
    local function critical()
      local mine = entered:add()
      local ok, err = pcall(pause, random)
      assert(entered:load() == mine, "another came in")
      if not ok then error(err, 0) end
    end
    if random(2) == 1 then
      m:with(critical, random(4) == 1 and 0.05 or nil)
    elseif m:lock(random(4) == 1 and 0.05 or nil) then
      critical() -- cancelled in there it never unlocks: its end does
      m:unlock()
    end
  end)
  assert(m:lock(30000))
  m:unlock()
  gives(values(true), m:try_lock())
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("rwmutexes are free after a storm", function()
  local lock, read, written = goroutine.rwmutex(), goroutine.atomic_int(), goroutine.atomic_int()
  storm(function(random)
    local limit = random(4) == 1 and 0.05 or nil
    if random(3) == 1 then
      lock:with(function()
        local mine, readers = written:add(), read:load()
        local ok, err = pcall(pause, random)
        assert(written:load() == mine and read:load() == readers, "another came in")
        if not ok then error(err, 0) end
      end, limit)
    else
      lock:rwith(function()
        read:add()
        local writers = written:load()
        local ok, err = pcall(pause, random)
        assert(written:load() == writers, "a writer came in")
        if not ok then error(err, 0) end
      end, limit)
    end
  end)
  assert(lock:lock(30000))
  lock:unlock()
  gives(values(true), lock:try_lock())
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("semaphores have all their permits after a storm", function()
  local permits = goroutine.semaphore(3)
  storm(function(random)
    permits:with(function() pause(random) end, random(4) == 1 and 0.05 or nil)
  end)
  equal(permits:available(), 3)
  -- Without `with` a permit is nobody's: whoever is cancelled holding it has to give it back, and those that were stopped
  -- before they could are counted.
  local stopped = goroutine.atomic_int()
  storm(function(random)
    stopped:add()
    local ok, got = pcall(permits.acquire, permits, random(4) == 1 and 0.05 or nil)
    if ok and got then
      ok, got = pcall(pause, random)
      permits:release()
    end
    stopped:add(-1)
    if not ok then error(got, 0) end
  end)
  local lost = 3 - permits:available()
  assert(lost >= 0 and lost <= stopped:load(), lost)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("conds lose no signal and keep no lock in a storm", function()
  local cond, stop = goroutine.cond(), goroutine.atomic_int()
  local m = cond:get_mutex()
  local signalling = goroutine.async(function()
    while stop:load() == 0 do
      cond:signal()
      goroutine.yield()
    end
  end)
  storm(function(random)
    m:lock()
    local ok, err = pcall(cond.wait, cond, random(3) == 1 and 0.05 or nil)
    m:unlock() -- held, whatever became of the wait
    if not ok then error(err, 0) end
  end)
  stop:store(1)
  gives(values(true), signalling:await())
  gives(values(true), m:lock(30000))
  gives(values(false, "timeout exceeded"), cond:wait(1))
  m:unlock()
  local waiting = goroutine.async(function() return m:with(function() return cond:wait() end) end)
  parked(waiting)
  cond:signal() -- would go to one that was left behind
  gives(values(true, true, true), waiting:await(30000))
end)

test("wait groups, channels and selects keep nobody in a storm", function()
  local group, never, some = goroutine.wait_group(), goroutine.channel(), goroutine.channel(1)
  group:add()
  storm(function(random)
    local limit = random(3) == 1 and 0.05 or nil
    local kind = random(4)
    if kind == 1 then
      group:wait(limit)
    elseif kind == 2 then
      never:receive(limit)
    elseif kind == 3 then
      goroutine.select({ { channel = never, receive = true }, { channel = some, receive = true }, { after = limit or 1e9 } })
    else
      some:try_send(random(100))
    end
  end)
  group:done()
  gives(values(true), group:wait(30000))
  gives(values(false), never:try_send("nobody waits"))
  some:try_receive()
  gives(values(true), some:try_send("stays: nobody waits"))
  gives(values(false), some:try_send("one too many"))
  gives(values("stays: nobody waits", true), some:receive())
end)

test("barriers count nobody who has gone in a storm", function()
  local barrier = goroutine.barrier(EACH * 2)
  storm(function(random) barrier:wait(random(2) == 1 and 0.05 or nil) end)
  local small = goroutine.barrier(4)
  storm(function(random) small:wait(random(2) == 1 and 0.05 or nil) end)
  -- Three who wait, and no more than one to come: nobody is there from before.
  local waiting = goroutine.spawn_many(3, function() return (small:wait()) end)
  for _, handle in ipairs(waiting) do parked(handle) end
  gives(values(true, true), small:wait(30000))
  for _, handle in ipairs(waiting) do gives(values(true, true), handle:await(30000)) end
end)

finish()
