-- Locks while goroutines are cancelled and give up at random: afterwards each can be used, and nobody is left waiting.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local ROUNDS, EACH = 6, 200

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

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("mutexes are free after a storm", function()
  local m, inside = goroutine.mutex(), goroutine.atomic_int()
  storm(function(random)
    local function critical()
      assert(inside:add() == 1)
      local ok, err = pcall(pause, random)
      inside:add(-1)
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
  local lock, readers, writers = goroutine.rwmutex(), goroutine.atomic_int(), goroutine.atomic_int()
  storm(function(random)
    local limit = random(4) == 1 and 0.05 or nil
    if random(3) == 1 then
      lock:with(function()
        assert(writers:add() == 1 and readers:load() == 0)
        local ok, err = pcall(pause, random)
        writers:add(-1)
        if not ok then error(err, 0) end
      end, limit)
    else
      lock:rwith(function()
        readers:add()
        assert(writers:load() == 0)
        local ok, err = pcall(pause, random)
        readers:add(-1)
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
  -- Without `with` a permit is nobody's: whoever is cancelled holding it has to give it back.
  storm(function(random)
    if permits:acquire(random(4) == 1 and 0.05 or nil) then
      local ok, err = pcall(pause, random)
      permits:release()
      if not ok then error(err, 0) end
    end
  end)
  equal(permits:available(), 3)
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
