-- One round of everything at random, and what has to hold afterwards.
local goroutine = require("goroutine")

local function generator(seed)
  local state = (seed * 7919 + 104729) % 2147483647
  return function(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end
end

local function act(random, o)
  local kind = random(16)
  if kind == 1 then goroutine.sleep(random(3))
  elseif kind == 2 then o.ch:send(random(100), 5)
  elseif kind == 3 then o.ch:receive(random(4))
  elseif kind == 4 then
    goroutine.select_timeout(random(4), { { channel = o.ch, receive = true }, { channel = o.full, send = 1 }, { after = random(3) } })
  elseif kind == 5 then o.mutex:with(function() if random(2) == 1 then goroutine.yield() end end)
  elseif kind == 6 then if o.sem:acquire(1, random(4)) then goroutine.yield() o.sem:release() end
  elseif kind == 7 then o.rw:rwith(function() goroutine.yield() end)
  elseif kind == 8 then o.rw:with(function() end)
  elseif kind == 9 then error("on purpose")
  elseif kind == 10 then panic_on_purpose()
  elseif kind == 11 then
    local until_then = goroutine.now() + random(4)
    while goroutine.now() < until_then do end
  elseif kind == 12 then goroutine.timeout(random(4), goroutine.sleep, random(6))
  elseif kind == 13 then
    pcall(goroutine.scope, function(s)
      s:spawn(goroutine.sleep, random(4))
      if random(2) == 1 then s:spawn(error, "on purpose") end
    end)
  elseif kind == 14 then goroutine.async(function(n) return { n, { n } } end, random(9)):await()
  elseif kind == 15 then o.shared:update("count", function(n) return (n or 0) + 1 end)
  else
    local co = coroutine.wrap(function() for i = 1, 3 do goroutine.yield() coroutine.yield(i) end end)
    for _ = 1, 3 do co() end
  end
end

return function(seed)
  local random = generator(seed)
  local o = {
    ch = goroutine.channel(random(4) - 1), full = goroutine.channel(1), mutex = goroutine.mutex(), rw = goroutine.rwmutex(),
    sem = goroutine.semaphore(2), shared = goroutine.shared(),
  }
  local handles = {}
  for i = 1, 150 do
    handles[i] = goroutine.async(function(own)
      local random = generator(own)
      for _ = 1, random(5) do act(random, o) end
      return own
    end, seed * 1000 + i)
    if random(3) == 1 then handles[random(i)]:cancel() end
  end
  goroutine.pool_create("stress", { workers = 3, queue = 8 })
  for i = 1, 30 do
    local h = goroutine.pool_async("stress", function(own) act(generator(own), o) end, seed * 77 + i)
    handles[#handles + 1] = h
    if random(4) == 1 then h:cancel() end
  end
  for i, handle in ipairs(handles) do
    local ok, err = handle:await(20000)
    if not ok and tostring(err):find("timeout exceeded", 1, true) then
      error("goroutine " .. i .. " of round " .. seed .. " has not ended:\n" .. goroutine.dump())
    end
    local status = handle:status()
    assert(status == "done" or status == "failed" or status == "cancelled", status)
  end
  assert(goroutine.pool_wait("stress", 20000))
  local stats = goroutine.pool_stats("stress")
  assert(stats.completed + stats.failed + stats.cancelled == 30, "the pool has lost a task")
  goroutine.pool_close("stress")
  -- Everything can be used, and nobody is left in it.
  assert(o.mutex:try_lock(), "the mutex is locked")
  o.mutex:unlock()
  assert(o.rw:try_lock(), "the rwmutex is locked")
  o.rw:unlock()
  assert(goroutine.wait_all(20000))
  return #handles
end
