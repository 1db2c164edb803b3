-- after and ticker: channels that give values as time passes.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("after gives one value when the time has come", function()
  local start = goroutine.now()
  local ch = goroutine.after(20)
  gives(values(nil, false), ch:try_receive())
  local at, ok = ch:receive()
  equal(ok, true)
  assert(at >= start + 20 and at <= goroutine.now(), at - start)
  assert(goroutine.now() - start >= 19.9)
  gives(values(nil, false, "timeout exceeded"), ch:receive(5))
  equal(ch:is_closed(), false)
  local _, at_once = goroutine.after(-1):try_receive()
  equal(at_once, true)
  gives(values(nil, false, "timeout exceeded"), goroutine.after(math.huge):receive(2))
end)

everywhere("after can be waited for in another goroutine, and by its length", function()
  local ch = goroutine.after(10)
  gives(values(true, true), goroutine.async(function() return select(2, ch:receive()) end):await())
  local soon = goroutine.after(5)
  eventually("it is there", function() return soon:len() == 1 end)
end)

everywhere("a ticker gives one each time", function()
  local ticker = goroutine.ticker(5)
  local last = goroutine.now()
  for _ = 1, 5 do
    local at = ticker:receive()
    assert(at > last, "ticks come one after another")
    last = at
  end
  ticker:stop()
end)

everywhere("a ticker skips what nobody took", function()
  local ticker = goroutine.ticker(4)
  goroutine.sleep(40)
  equal(ticker:len(), 1)
  local first = ticker:receive()
  local second = ticker:receive()
  assert(second - first > 30, second - first)
  ticker:stop()
end)

everywhere("a ticker that is stopped ticks no more, and is not closed", function()
  local ticker = goroutine.ticker(1)
  ticker:receive()
  ticker:stop()
  ticker:stop()
  ticker:try_receive()
  gives(values(nil, false, "timeout exceeded"), ticker:receive(10))
  equal(ticker:is_closed(), false)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("closing a ticker ends the loops over it", function()
  local ticker, count = goroutine.ticker(1), 0
  for _ in ticker:iter() do
    count = count + 1
    if count >= 3 then ticker:close() end
  end
  -- A tick that is there already is still received.
  assert(count == 3 or count == 4, count)
end)

everywhere("nobody but the clock sends there", function()
  raises("cannot send on receive-only channel", function() goroutine.after(1):send(1) end)
  raises("cannot send on receive-only channel", function() goroutine.ticker(1):send(1) end)
end)

everywhere("only tickers can be stopped, and they need some time", function()
  raises("calling 'stop' on bad self (ticker expected, got channel)", function() goroutine.channel():stop() end)
  raises("bad argument #1 to 'ticker' (number of milliseconds above 0 expected, got 0", goroutine.ticker, 0)
  goroutine.after(5):stop()
  local ticker = goroutine.ticker(math.huge)
  gives(values(nil, false, "timeout exceeded"), ticker:receive(2))
end)

everywhere("several can wait at one ticker", function()
  local ticker, handles = goroutine.ticker(3), {}
  for i = 1, 4 do handles[i] = goroutine.async(function() return (ticker:receive()) end) end
  local seen = {}
  for _, result in ipairs(goroutine.await_all(handles)) do
    local at = result.values[1]
    assert(not seen[at], "the same tick twice")
    seen[at] = true
  end
  ticker:stop()
end)

everywhere("a select over a ticker and a channel", function()
  local ticker, ch, ticks = goroutine.ticker(2), goroutine.channel(), 0
  local sender = goroutine.async(function() goroutine.sleep(20) ch:send("end") end)
  repeat
    local index = goroutine.select({ { channel = ticker, receive = true, handler = function() ticks = ticks + 1 end }, { channel = ch, receive = true } })
  until index == 2
  assert(ticks >= 1, ticks)
  sender:await()
  ticker:stop()
end)

finish()
