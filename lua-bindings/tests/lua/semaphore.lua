-- Semaphores.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("as many are inside as there are permits, and no more", function()
  local permits, inside, most = goroutine.semaphore(3), goroutine.atomic_int(), goroutine.atomic_int()
  local handles = goroutine.spawn_many(20, function()
    for _ = 1, 30 do
      permits:acquire()
      local now = inside:add()
      local before = most:load()
      while now > before and not most:compare_and_swap(before, now) do before = most:load() end
      goroutine.yield()
      inside:add(-1)
      permits:release()
    end
  end)
  for _, handle in ipairs(handles) do gives(values(true), handle:await()) end
  assert(most:load() <= 3, most:load())
  gives(values(3), permits:available())
end)

everywhere("acquire gives true, release nothing, try_acquire a boolean", function()
  local permits = goroutine.semaphore(2)
  gives(values(2), permits:capacity())
  gives(values(true), permits:acquire())
  gives(values(1), permits:available())
  gives(values(true), permits:try_acquire())
  gives(values(false), permits:try_acquire())
  gives(values(false, "timeout exceeded"), permits:acquire(1))
  gives(values(), permits:release())
  gives(values(true), permits:acquire(0))
  permits:release()
  permits:release()
  gives(values(2), permits:available())
end)

everywhere("what one has acquired another may release", function()
  local permits = goroutine.semaphore(2)
  for _ = 1, 10 do
    permits:acquire()
    goroutine.spawn(function() permits:release() end)
  end
  gives(values(true), permits:acquire(30000))
  gives(values(true), permits:acquire(30000))
end)

everywhere("releasing too often raises and changes nothing", function()
  local permits = goroutine.semaphore(1)
  raises("semaphore released more often than acquired", permits.release, permits)
  permits:acquire()
  permits:release()
  raises("semaphore released more often than acquired", permits.release, permits)
  gives(values(1), permits:available())
end)

everywhere("a semaphore has at least one permit", function()
  raises("bad argument #1 to 'semaphore' (number from 1 to", goroutine.semaphore, 0)
end)

everywhere("permits are handed out in the order of asking", function()
  local permits, order = goroutine.semaphore(1), goroutine.channel(10)
  permits:acquire()
  for i = 1, 10 do
    parked(goroutine.spawn(function()
      permits:acquire()
      order:send(i)
      permits:release()
    end))
  end
  permits:release()
  for i = 1, 10 do gives(values(i, true), order:receive()) end
end)

everywhere("with gives its permit back, however its function ends", function()
  local permits = goroutine.semaphore(1)
  gives(values(true, 0, "x"), permits:with(function() return permits:available(), "x" end))
  raises("no", permits.with, permits, function() error("no") end)
  gives(values(1), permits:available())
  permits:acquire()
  gives(values(false, "timeout exceeded"), permits:with(print, 1))
  permits:release()
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("with gives its permit back when its goroutine is cancelled", function()
  local permits, inside = goroutine.semaphore(1), goroutine.channel()
  local h = goroutine.async(function()
    permits:with(function()
      inside:send(true)
      goroutine.sleep(60000)
    end)
  end)
  inside:receive()
  h:cancel()
  h:await()
  gives(values(1), permits:available())
end)

everywhere("a goroutine may be inside with twice, if there are permits", function()
  local permits = goroutine.semaphore(2)
  gives(values(true, true, 0), permits:with(function()
    return permits:with(function() return permits:available() end)
  end))
  gives(values(2), permits:available())
end)

everywhere("a wait that is cancelled takes no permit with it", function()
  local permits = goroutine.semaphore(1)
  permits:acquire()
  local waiting = goroutine.async(function() permits:acquire() end)
  parked(waiting)
  waiting:cancel()
  -- Before that the permit might still reach it, and would then be used up.
  waiting:await()
  permits:release()
  gives(values(true), permits:acquire(30000))
  permits:release()
end)

finish()
