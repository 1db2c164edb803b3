-- "While a value is copied into the queue, code of mine runs. It looked at the same queue, and the thread waited for a lock
-- that it held itself."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["one that asks the pool to which it is submitted, and submits to it"] = "nothing is copied at the start",
  ["one that starts goroutines, and asks its own"] = "nothing is copied at the start",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- A value that does `fn` while it is being sent, and arrives as a word.
local function busy(fn)
  return setmetatable({}, { __goroutine = function()
    fn()
    return "arrived"
  end })
end

everywhere("a value that uses the channel while it is being sent through it", function()
  local channel = goroutine.channel(3)
  local value = busy(function()
    channel:try_send("sent meanwhile")
    channel:len()
    channel:is_closed()
  end)
  gives(values(true), channel:send(value, 30000))
  gives(values("sent meanwhile", true), channel:try_receive())
  gives(values("arrived", true), channel:try_receive())
end)

everywhere("one that takes from it, and one that closes it", function()
  local channel = goroutine.channel(1)
  channel:send("first")
  local taken
  gives(values(true), channel:send(busy(function() taken = channel:try_receive() end), 30000))
  equal(taken, "first")
  gives(values("arrived", true), channel:receive(30000))
  gives(values(false, "send on closed channel"), channel:send(busy(function() channel:close() end), 30000))
end)

everywhere("one that asks the pool to which it is submitted, and submits to it", function()
  local name = fresh_name()
  goroutine.pool_create(name, { workers = 1, queue = 5 })
  local ran = goroutine.atomic_int()
  local value = busy(function()
    goroutine.pool_stats(name)
    goroutine.pool_submit(name, function() ran:add() end)
  end)
  local handle = goroutine.pool_async(name, function(word) return word end, value)
  gives(values(true, "arrived"), await(handle, 30000))
  equal(goroutine.pool_wait(name, 30000), true)
  equal(ran:load(), 1)
  goroutine.pool_close(name)
end)

everywhere("one that starts goroutines, and asks its own", function()
  local ran = goroutine.atomic_int()
  local handle = async(function(word) return word end, busy(function()
    goroutine.spawn(function() ran:add() end)
    local me = goroutine.current()
    if me then me:status() end
  end))
  gives(values(true, "arrived"), await(handle, 30000))
  equal(goroutine.wait_all(30000), true)
  equal(ran:load(), 1)
end)

finish()
