-- Locks for readers and writers.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

-- A goroutine that enters by this method, says so, and leaves when it is told to.
local function occupy(lock, enter, leave)
  local inside, gate = goroutine.channel(), goroutine.channel()
  local handle = goroutine.async(function()
    lock[enter](lock)
    inside:send(true)
    gate:receive()
    lock[leave](lock)
  end)
  return handle, inside, gate
end

everywhere("readers are inside together, a writer alone", function()
  local lock = goroutine.rwmutex()
  local readers = {}
  for i = 1, 5 do
    local handle, inside, gate = occupy(lock, "rlock", "runlock")
    inside:receive()
    readers[i] = { handle, gate }
  end
  equal(lock:try_lock(), false)
  equal(lock:try_rlock(), true)
  lock:runlock()
  for _, reader in ipairs(readers) do
    gives(values(false, "timeout exceeded"), lock:lock(0))
    reader[2]:send(true)
    reader[1]:await()
  end
  gives(values(true), lock:lock())
  local other = goroutine.async(function() return lock:try_rlock(), lock:try_lock(), lock:rlock(1) end)
  gives(values(true, false, false, false, "timeout exceeded"), other:await())
  gives(values(), lock:unlock())
end)

everywhere("a writer that waits is not overtaken by readers, and they come in after it", function()
  local lock, order = goroutine.rwmutex(), goroutine.channel(10)
  lock:rlock()
  local writer = goroutine.async(function()
    lock:lock()
    order:send("writer")
    lock:unlock()
  end)
  parked(writer)
  local readers = goroutine.spawn_many(3, function()
    lock:rlock()
    order:send("reader")
    lock:runlock()
  end)
  for _, reader in ipairs(readers) do parked(reader) end
  equal(goroutine.await(goroutine.async(function() return lock:try_rlock() end)), true)
  equal(order:len(), 0)
  lock:runlock()
  gives(values("writer", true), order:receive())
  for _ = 1, 3 do gives(values("reader", true), order:receive()) end
  goroutine.await_all(readers)
end)

everywhere("a writer that gives up lets the readers behind it in", function()
  local lock = goroutine.rwmutex()
  lock:rlock()
  local writer = goroutine.async(function() lock:lock() end)
  parked(writer)
  local reader = goroutine.async(function()
    lock:rlock()
    lock:runlock()
    return "read"
  end)
  parked(reader)
  writer:cancel()
  gives(values(true, "read"), reader:await())
  lock:runlock()
end)

everywhere("one who reads may come in again at once, also when a writer waits", function()
  local lock = goroutine.rwmutex()
  lock:rlock()
  local writer = goroutine.async(function()
    lock:lock()
    lock:unlock()
  end)
  parked(writer)
  gives(values(true), lock:rlock())
  gives(values(true), lock:try_rlock())
  lock:runlock()
  lock:runlock()
  equal(writer:done(), false)
  lock:runlock()
  gives(values(true), writer:await())
  raises("unlock of an unlocked rwmutex", lock.runlock, lock)
end)

everywhere("misuse raises and changes nothing", function()
  local lock = goroutine.rwmutex()
  raises("unlock of an unlocked rwmutex", lock.unlock, lock)
  raises("unlock of an unlocked rwmutex", lock.runlock, lock)
  lock:rlock()
  raises("unlock of a rwmutex that the caller does not hold", lock.unlock, lock)
  raises("the caller holds this rwmutex already", lock.lock, lock)
  equal(lock:try_lock(), false)
  local _, err = goroutine.async(function() lock:runlock() end):await()
  contains(err, "unlock of a rwmutex that the caller does not hold")
  lock:runlock()
  lock:lock()
  raises("unlock of a rwmutex that the caller does not hold", lock.runlock, lock)
  raises("the caller holds this rwmutex already", lock.rlock, lock)
  raises("the caller holds this rwmutex already", lock.rwith, lock, print)
  equal(lock:try_rlock(), false)
  lock:unlock()
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("with writes, rwith reads, and both go out again", function()
  local lock = goroutine.rwmutex()
  gives(values(true, false, "w"), lock:with(function()
    return select(2, goroutine.async(function() return lock:try_rlock() end):await()), "w"
  end))
  gives(values(true, true, "r"), lock:rwith(function()
    return select(2, goroutine.async(function() return lock:try_rlock() end):await()), "r"
  end))
  raises("no", lock.rwith, lock, function() error("no") end)
  raises("no", lock.with, lock, function() error("no") end)
  gives(values(true), lock:try_lock())
  gives(values(true, false, "timeout exceeded"), goroutine.async(function() return lock:rwith(print, 1) end):await())
  lock:unlock()
end)

everywhere("a writer that ends inside is told of, a reader is not", function()
  local lock = goroutine.rwmutex()
  goroutine.async(function() lock:rlock() end):await()
  gives(values(true), lock:lock())
  lock:unlock()
  goroutine.async(function() lock:lock() end):await()
  gives(values(true, "abandoned"), lock:rlock())
  lock:runlock()
  gives(values(true), lock:lock())
  lock:unlock()
  goroutine.async(function()
    lock:rlock()
    lock:rlock()
    error("failed", 0)
  end):await()
  gives(values(true), lock:try_lock())
  lock:unlock()
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("readers and writers in several isolates", function()
  local lock, readers, writers, bad = goroutine.rwmutex(), goroutine.atomic_int(), goroutine.atomic_int(), goroutine.atomic_int()
  local handles = goroutine.spawn_many(12, function(id)
    for _ = 1, 60 do
      if id % 3 == 0 then
        lock:with(function()
          if writers:add() ~= 1 or readers:load() ~= 0 then bad:add() end
          goroutine.yield()
          writers:add(-1)
        end)
      else
        lock:rwith(function()
          readers:add()
          if writers:load() ~= 0 then bad:add() end
          goroutine.yield()
          readers:add(-1)
        end)
      end
    end
  end)
  for _, handle in ipairs(handles) do gives(values(true), handle:await()) end
  equal(bad:load(), 0)
end)

finish()
