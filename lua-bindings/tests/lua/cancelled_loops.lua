-- A cancelled goroutine that catches the error again and again, and waits again, does not keep the others from running, whatever it
-- waits for.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

-- For how many milliseconds it tries, at most: others have had their turns long before, also on a busy machine.
local PATIENCE = 10000

-- `prepare()` runs in the goroutine, before it is cancelled, and gives the function that is called again and again.
local function lets_others_run(prepare)
  local over, ready, gate = goroutine.atomic_int(), goroutine.channel(1), goroutine.channel()
  local handle = goroutine.async(function()
    local act = prepare()
    ready:send(true)
    pcall(gate.receive, gate) -- it is cancelled here
    local until_then = goroutine.now() + PATIENCE
    while over:load() == 0 and goroutine.now() < until_then do pcall(act) end
    over:compare_and_swap(0, 2)
  end)
  ready:receive()
  parked(handle)
  handle:cancel()
  local others = goroutine.async(function()
    for _ = 1, 5 do goroutine.yield() end
    over:compare_and_swap(0, 1)
  end)
  local ok, err = others:await(30000)
  assert(ok, err)
  equal(over:load(), 1, "it has let others run")
  handle:await(30000)
end

-- In each of these the goroutine gets the error at a call that would have to wait, and at one that need not.
local WAITS = {
  ["sleep"] = function()
    return function() goroutine.sleep(1000) end
  end,
  ["sleep(0)"] = function()
    return function() goroutine.sleep(0) end
  end,
  ["yield"] = function() return goroutine.yield end,
  ["a channel's receive"] = function()
    local channel = goroutine.channel()
    return function() channel:receive() end
  end,
  ["a channel's receive of what is there"] = function()
    local channel = goroutine.channel(1)
    channel:send(1)
    return function() channel:receive() end
  end,
  ["a closed channel's receive"] = function()
    local channel = goroutine.channel(1)
    channel:close()
    return function() channel:receive() end
  end,
  ["a channel's receive with a limit"] = function()
    local channel = goroutine.channel(1)
    return function() channel:receive(0) end
  end,
  ["channel_receive"] = function()
    local channel = goroutine.channel(1)
    return function() goroutine.channel_receive(channel) end
  end,
  ["a channel's send"] = function()
    local channel = goroutine.channel()
    return function() channel:send(1) end
  end,
  ["a channel's send that has room"] = function()
    local channel = goroutine.channel(10)
    return function() channel:send(1) end
  end,
  ["a channel's iter"] = function()
    local channel = goroutine.channel()
    return function()
      for _ in channel:iter() do end
    end
  end,
  ["a channel's range"] = function()
    local channel = goroutine.channel()
    return function() channel:range(function() end) end
  end,
  ["select"] = function()
    local channel = goroutine.channel()
    return function() goroutine.select({ { channel = channel, receive = true } }) end
  end,
  ["select of what is ready"] = function()
    local channel = goroutine.channel(1)
    channel:send(1)
    return function() goroutine.select({ { channel = channel, receive = true } }) end
  end,
  ["select_timeout"] = function()
    local channel = goroutine.channel()
    return function() goroutine.select_timeout(1000, { { channel = channel, receive = true } }) end
  end,
  ["select_timeout(0)"] = function()
    local channel = goroutine.channel()
    return function() goroutine.select_timeout(0, { { channel = channel, receive = true } }) end
  end,
  ["a mutex's lock"] = function()
    local mutex = goroutine.mutex()
    return function()
      mutex:lock()
      mutex:unlock()
    end
  end,
  ["a locked mutex's lock"] = function()
    local mutex = goroutine.mutex()
    local locked = goroutine.channel(1)
    goroutine.spawn(function()
      mutex:lock()
      locked:send(true)
      goroutine.sleep(20)
      mutex:unlock()
    end)
    locked:receive()
    return function()
      mutex:lock()
      mutex:unlock()
    end
  end,
  ["a mutex's lock with a limit"] = function()
    local mutex = goroutine.mutex()
    return function()
      if mutex:lock(0) then mutex:unlock() end
    end
  end,
  ["a mutex's with"] = function()
    local mutex = goroutine.mutex()
    return function() mutex:with(function() end) end
  end,
  ["a rwmutex's lock"] = function()
    local mutex = goroutine.rwmutex()
    return function()
      mutex:lock()
      mutex:unlock()
    end
  end,
  ["a rwmutex's rlock"] = function()
    local mutex = goroutine.rwmutex()
    return function()
      mutex:rlock()
      mutex:runlock()
    end
  end,
  ["a rwmutex's with and rwith"] = function()
    local mutex = goroutine.rwmutex()
    return function()
      pcall(mutex.with, mutex, function() end)
      mutex:rwith(function() end)
    end
  end,
  ["a semaphore's acquire"] = function()
    local semaphore = goroutine.semaphore(1)
    semaphore:acquire()
    return function() semaphore:acquire() end
  end,
  ["a semaphore's acquire of what is free"] = function()
    local semaphore = goroutine.semaphore(1)
    return function()
      semaphore:acquire()
      semaphore:release()
    end
  end,
  ["a semaphore's with"] = function()
    local semaphore = goroutine.semaphore(1)
    return function() semaphore:with(function() end) end
  end,
  ["once"] = function()
    return function() goroutine.once():call(function() end) end
  end,
  ["once that is done"] = function()
    local once = goroutine.once()
    once:call(function() end)
    return function() once:call(function() end) end
  end,
  ["cond:wait"] = function()
    local cond = goroutine.cond()
    cond:get_mutex():lock()
    return function() cond:wait() end
  end,
  ["barrier:wait"] = function()
    local barrier = goroutine.barrier(2)
    return function() barrier:wait() end
  end,
  ["a barrier of one"] = function()
    local barrier = goroutine.barrier(1)
    return function() barrier:wait() end
  end,
  ["wait_group:wait"] = function()
    local group = goroutine.wait_group()
    group:add()
    return function() group:wait() end
  end,
  ["wait_group:wait of nothing"] = function()
    local group = goroutine.wait_group()
    return function() group:wait() end
  end,
  ["await"] = function()
    local handle = goroutine.async(goroutine.sleep, 50)
    return function() handle:await() end
  end,
  ["await of what has ended"] = function()
    local handle = goroutine.async(function() end)
    handle:await()
    return function() goroutine.await(handle) end
  end,
  ["await_all and await_any"] = function()
    local handle = goroutine.async(function() end)
    handle:await()
    return function()
      pcall(goroutine.await_all, { handle })
      goroutine.await_any({ handle })
    end
  end,
  ["wait_all"] = function()
    return function() goroutine.wait_all() end
  end,
  ["scope"] = function()
    return function() goroutine.scope(function() end) end
  end,
  ["scope with a goroutine"] = function()
    return function()
      goroutine.scope(function(s) s:spawn(goroutine.yield) end)
    end
  end,
  ["timeout"] = function()
    return function() goroutine.timeout(1000, goroutine.yield) end
  end,
  ["blocking"] = function()
    local handle = goroutine.blocking(function() end)
    return function() handle:await() end
  end,
  ["a full pool's submit"] = function()
    local name = fresh_name()
    goroutine.pool_create(name, { workers = 1, queue = 0 })
    goroutine.pool_submit(name, goroutine.sleep, 50)
    return function() goroutine.pool_submit(name, function() end) end
  end,
  ["pool_wait"] = function()
    local name = fresh_name()
    goroutine.pool_create(name, { workers = 1 })
    return function() goroutine.pool_wait(name) end
  end,
  ["pool_map"] = function()
    local name = fresh_name()
    goroutine.pool_create(name, { workers = 1 })
    return function() goroutine.pool_map(name, { 1, 2 }, function() end) end
  end,
  ["pool_close"] = function()
    return function()
      local name = fresh_name()
      goroutine.pool_create(name, { workers = 1 })
      goroutine.pool_close(name)
    end
  end,
  ["a context's run"] = function()
    local ctx = goroutine.context()
    return function() ctx:run(function() end) end
  end,
  ["a rate limiter's wait"] = function()
    local limiter = goroutine.rate_limiter({ rate = 1, per = 60000 })
    limiter:wait()
    return function() limiter:wait() end
  end,
  ["a rate limiter's wait that is over"] = function()
    local limiter = goroutine.rate_limiter({ rate = 1e6, burst = 1e6 })
    return function() limiter:wait() end
  end,
  ["a broadcast"] = function()
    local broadcaster = goroutine.broadcaster()
    broadcaster:subscribe(1)
    return function() broadcaster:broadcast(1) end
  end,
  ["retry"] = function()
    return function()
      goroutine.retry({ max_attempts = 5, initial_delay = 1 }, function() error("broken") end)
    end
  end,
  ["retry of what does not fail"] = function()
    return function()
      goroutine.retry({ max_attempts = 5, initial_delay = 1 }, function() end)
    end
  end,
  ["retry of what waits"] = function()
    return function()
      goroutine.retry({ max_attempts = 5, initial_delay = 1 }, function() goroutine.sleep(1) end)
    end
  end,
  ["a circuit breaker's call of what waits"] = function()
    local breaker = goroutine.circuit_breaker({ threshold = 1000 })
    return function()
      breaker:call(function() goroutine.sleep(1) end)
    end
  end,
  ["a circuit breaker's call"] = function()
    local breaker = goroutine.circuit_breaker({ threshold = 1000 })
    return function() breaker:call(function() end) end
  end,
  ["an open circuit breaker's call"] = function()
    local breaker = goroutine.circuit_breaker({ threshold = 1 })
    breaker:call(function() error("broken") end)
    return function() breaker:call(function() end) end
  end,
}

local names = {}
for name in pairs(WAITS) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
  test("a cancelled goroutine lets others run: " .. name, function()
    lets_others_run(WAITS[name])
  end)
end

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("a cancelled goroutine that goes on waiting in pcall ends", function()
  local gate = goroutine.channel()
  local handle = goroutine.async(function()
    while true do pcall(gate.receive, gate) end
  end)
  parked(handle)
  handle:cancel("enough")
  local ok, err = handle:await(30000)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  equal(handle:status(), "cancelled")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("such a goroutine does not hold up a scope that has failed", function()
  local ok, err = pcall(goroutine.scope, function(scope)
    local ready = goroutine.channel()
    scope:spawn(function()
      ready:send(true)
      while true do pcall(goroutine.sleep, 1) end
    end)
    ready:receive()
    error("over", 0)
  end)
  equal(ok, false)
  equal(err, "over")
end)

finish()
