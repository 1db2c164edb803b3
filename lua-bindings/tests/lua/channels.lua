-- Channels: order, closing, what is a value, limits.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local channel, async, await = goroutine.channel, goroutine.async, goroutine.await

-- The first test of the file: where the runtime starts with the first goroutine, it has not been started yet.
test("what travels by name is sent before anything was started, too", function()
  local ch = goroutine.channel(4)
  equal(ch:send(print), true)
  equal(ch:send({ print, table.insert, string }), true)
  equal((ch:receive()), print)
  local got = ch:receive()
  gives(values(print, table.insert, string), got[1], got[2], got[3])
end)

everywhere("a rendezvous hands over only when both are there", function()
  local ch, sent = channel(), goroutine.atomic_int()
  local sender = async(function()
    local ok = ch:send("value")
    sent:add()
    return ok
  end)
  parked(sender)
  equal(sent:load(), 0)
  equal(ch:len(), 0)
  gives(values("value", true), ch:receive())
  gives(values(true, true), await(sender))
  equal(sent:load(), 1)
end)

everywhere("a capacity lets so many be sent ahead", function()
  local ch = channel(3)
  for i = 1, 3 do gives(values(true), ch:send(i)) end
  gives(values(false, "timeout exceeded"), ch:send(4, 10))
  equal(ch:len(), 3)
  equal(ch:cap(), 3)
  for i = 1, 3 do gives(values(i, true), ch:receive()) end
  equal(ch:len(), 0)
end)

everywhere("len and cap are whole numbers, of functions too", function()
  local ch = channel(2)
  ch:send(1)
  gives(values(1), ch:len())
  gives(values(2), ch:cap())
  gives(values(1), goroutine.channel_len(ch))
  gives(values(2), goroutine.channel_cap(ch))
  gives(values(0), channel():cap())
end)

everywhere("values come in the order in which they were sent", function()
  for _, capacity in ipairs({ 0, 1, 7, 1000 }) do
    local ch = channel(capacity)
    goroutine.spawn(function()
      for i = 1, 300 do ch:send(i) end
      ch:close()
    end)
    for i = 1, 300 do gives(values(i, true), ch:receive()) end
    gives(values(nil, false), ch:receive())
  end
end)

everywhere("a closed channel still delivers what it holds", function()
  local ch = channel(3)
  ch:send("a")
  ch:send(nil)
  gives(values(true), ch:close())
  equal(ch:is_closed(), true)
  equal(ch:len(), 2)
  gives(values("a", true), ch:receive())
  gives(values(nil, true), ch:receive())
  gives(values(nil, false), ch:receive())
  gives(values(nil, false), ch:receive(1000))
  gives(values(nil, false), ch:try_receive())
end)

everywhere("closing twice, and sending on a closed channel, give false and why", function()
  local ch = channel(1)
  equal(ch:is_closed(), false)
  gives(values(true), ch:close())
  gives(values(false, "channel already closed"), ch:close())
  gives(values(false, "channel already closed"), goroutine.channel_close(ch))
  gives(values(false, "send on closed channel"), ch:send(1))
  gives(values(false, "send on closed channel"), ch:send(1, 1000))
  gives(values(false, "send on closed channel"), ch:try_send(1))
  gives(values(false, "send on closed channel"), goroutine.channel_send(ch, 1))
end)

everywhere("closing wakes those who wait to send", function()
  for _, capacity in ipairs({ 0, 1 }) do
    local ch = channel(capacity)
    if capacity == 1 then ch:send("held") end
    local senders = goroutine.spawn_many(10, function(id) return ch:send(id) end)
    for _, sender in ipairs(senders) do parked(sender) end
    ch:close()
    for _, sender in ipairs(senders) do
      gives(values(true, false, "send on closed channel"), await(sender))
    end
    if capacity == 1 then gives(values("held", true), ch:receive()) end
    gives(values(nil, false), ch:receive())
  end
end)

everywhere("closing wakes those who wait to receive", function()
  local ch = channel()
  local receivers = goroutine.spawn_many(10, function() return ch:receive() end)
  for _, receiver in ipairs(receivers) do parked(receiver) end
  ch:close()
  for _, receiver in ipairs(receivers) do gives(values(true, nil, false), await(receiver)) end
end)

everywhere("nil and false are values like others", function()
  for _, capacity in ipairs({ 0, 2 }) do
    local ch = channel(capacity)
    goroutine.spawn(function()
      ch:send(nil)
      ch:send(false)
      ch:close()
    end)
    gives(values(nil, true), ch:receive())
    gives(values(false, true), ch:receive())
    gives(values(nil, false), ch:receive())
  end
end)

everywhere("a limit ends a receive, and nothing is lost", function()
  for _, capacity in ipairs({ 0, 1 }) do
    local ch = channel(capacity)
    local took, value, ok, why = timed(ch.receive, ch, 20)
    gives(values(nil, false, "timeout exceeded"), value, ok, why)
    assert(took >= 20, took)
    gives(values(nil, false, "timeout exceeded"), ch:receive(0))
    gives(values(nil, false, "timeout exceeded"), ch:receive(-1))
    local sender = async(function() return ch:send("kept") end)
    gives(values("kept", true), ch:receive(30000))
    gives(values(true, true), await(sender))
  end
end)

everywhere("a limit ends a send, and the value is not there afterwards", function()
  for _, capacity in ipairs({ 0, 1 }) do
    local ch = channel(capacity)
    if capacity == 1 then ch:send("first") end
    local took, ok, why = timed(ch.send, ch, "withdrawn", 20)
    gives(values(false, "timeout exceeded"), ok, why)
    assert(took >= 20, took)
    gives(values(false, "timeout exceeded"), ch:send("withdrawn", 0))
    if capacity == 1 then gives(values("first", true), ch:receive()) end
    gives(values(nil, false), ch:try_receive())
    ch:close()
    gives(values(nil, false), ch:receive())
  end
end)

everywhere("a limit of zero still takes what is there", function()
  local ch = channel(1)
  gives(values(true), ch:send("there", 0))
  gives(values("there", true), ch:receive(0))
end)

everywhere("try_send and try_receive never wait", function()
  local ch = channel(1)
  gives(values(nil, false), ch:try_receive())
  gives(values(true), ch:try_send("a"))
  gives(values(false), ch:try_send("b"))
  gives(values("a", true), ch:try_receive())
  gives(values(nil, false), ch:try_receive())
  local rendezvous = channel()
  gives(values(false), rendezvous:try_send("nobody"))
  gives(values(nil, false), rendezvous:try_receive())
end)

everywhere("try_send meets a receiver who waits, try_receive a sender", function()
  local ch = channel()
  local receiver = async(function() return ch:receive() end)
  parked(receiver)
  gives(values(true), ch:try_send("to you"))
  gives(values(true, "to you", true), await(receiver))
  local sender = async(function() return ch:send("from me") end)
  parked(sender)
  gives(values("from me", true), ch:try_receive())
  gives(values(true, true), await(sender))
end)

everywhere("the functions are the methods", function()
  local ch = channel(2)
  gives(values(true), goroutine.channel_send(ch, "a"))
  gives(values(true), goroutine.channel_send(ch, "b", 1000))
  gives(values(false, "timeout exceeded"), goroutine.channel_send(ch, "c", 5))
  gives(values("a", true), goroutine.channel_receive(ch))
  gives(values("b", true), goroutine.channel_receive(ch, 1000))
  gives(values(nil, false, "timeout exceeded"), goroutine.channel_receive(ch, 5))
  gives(values(true), goroutine.channel_close(ch))
  gives(values(nil, false), goroutine.channel_receive(ch))
end)

everywhere("range calls the function with each value until closed and drained", function()
  local ch = channel(2)
  goroutine.spawn(function()
    for i = 1, 20 do ch:send(i) end
    ch:send(nil)
    ch:send(false)
    ch:close()
  end)
  local seen = { n = 0 }
  gives(values(), ch:range(function(value)
    seen.n = seen.n + 1
    seen[seen.n] = value == nil and "nil" or value
  end))
  equal(seen.n, 22)
  for i = 1, 20 do equal(seen[i], i) end
  equal(seen[21], "nil")
  equal(seen[22], false)
end)

everywhere("range calls in the caller's own coroutine: it may wait and yield", function()
  local ch, echo = channel(10), channel(10)
  for i = 1, 3 do ch:send(i) end
  ch:close()
  local generator = coroutine.wrap(function()
    ch:range(function(value)
      goroutine.sleep(1)
      echo:send(value)
      coroutine.yield(value * 10)
    end)
    return "end"
  end)
  for i = 1, 3 do
    equal(generator(), i * 10)
    gives(values(i, true), echo:receive())
  end
  equal(generator(), "end")
end)

everywhere("an error in range's function ends it, and takes only what it was called with", function()
  local ch = channel(5)
  for i = 1, 5 do ch:send(i) end
  raises("at 3", function()
    ch:range(function(value) if value == 3 then error("at 3") end end)
  end)
  gives(values(4, true), ch:receive())
end)

everywhere("iter is the same as a loop, and may be left early", function()
  local ch = channel(10)
  for i = 1, 6 do ch:send(i) end
  ch:close()
  local sum = 0
  for value in ch:iter() do
    sum = sum + value
    if value == 3 then break end
  end
  equal(sum, 6)
  for value in ch:iter() do sum = sum + value end
  equal(sum, 21)
end)

everywhere("iter gives false as a value, and raises at nil", function()
  local ch = channel(10)
  ch:send(false)
  ch:send(1)
  ch:send(nil)
  ch:send(2)
  ch:close()
  local next_value = ch:iter()
  equal(next_value(), false)
  equal(next_value(), 1)
  raises("nil", next_value)
  equal(next_value(), 2)
  equal(next_value(), nil)
end)

everywhere("what is sent is a copy", function()
  local ch = channel(1)
  local record = { list = { 1, 2 } }
  ch:send(record)
  record.list[1] = "changed"
  local got = ch:receive()
  same(got, { list = { 1, 2 } })
  assert(got ~= record)
end)

everywhere("functions, channels and handles travel through channels", function()
  local ch, other = channel(5), channel(1)
  local offset = 5
  ch:send(function(n) return n + offset end)
  ch:send({ reply = other })
  ch:send(async(function() return "awaited" end))
  equal(ch:receive()(37), 42)
  equal(ch:receive().reply, other)
  gives(values(true, "awaited"), await((ch:receive())))
end)

everywhere("a channel may be sent through itself", function()
  local ch = channel(1)
  ch:send(ch)
  equal(ch:receive(), ch)
end)

everywhere("what cannot travel is refused by send, and the channel goes on", function()
  local ch = channel(5)
  raises("cannot send", ch.send, ch, coroutine.create(function() end))
  raises("cannot send", ch.try_send, ch, { deep = { io.tmpfile() } })
  raises("cannot send", goroutine.channel_send, ch, io.tmpfile())
  equal(ch:len(), 0)
  ch:send("fine")
  gives(values("fine", true), ch:receive())
end)

everywhere("a request carries the channel for its answer", function()
  local requests = channel()
  local server = async(function()
    requests:range(function(request) request.reply:send(request.n * 2) end)
    return "closed"
  end)
  local handles = goroutine.spawn_many(30, function(id)
    local reply = goroutine.channel()
    requests:send({ n = id, reply = reply })
    return (reply:receive())
  end)
  for id, handle in ipairs(handles) do gives(values(true, id * 2), await(handle)) end
  requests:close()
  gives(values(true, "closed"), await(server))
end)

finish()
