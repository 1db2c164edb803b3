-- Circuit breakers.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local function failing() error("down", 0) end

everywhere("failures in a row open it, and then nothing is called", function()
  local breaker = goroutine.circuit_breaker({ threshold = 2, timeout = 60000 })
  gives(values(true, 1, nil, 3), breaker:call(function() return 1, nil, 3 end))
  gives(values(false, "down"), breaker:call(failing))
  gives(values(true), breaker:call(function() end))
  gives(values(false, "down"), breaker:call(failing))
  gives(values("closed"), breaker:state())
  gives(values(false, "down"), breaker:call(failing))
  gives(values("open"), breaker:state())
  local called = false
  gives(values(false, "circuit open"), breaker:call(function() called = true end))
  equal(called, false)
end)

everywhere("after its time one may try: a success closes it, a failure opens it anew", function()
  local breaker = goroutine.circuit_breaker({ threshold = 1, timeout = 5 })
  for _ = 1, 2 do
    breaker:call(failing)
    goroutine.sleep(6)
    gives(values("half-open"), breaker:state())
    gives(values(true, false, "circuit open"), breaker:call(function()
      return breaker:call(print) -- a second one at the same time
    end))
    gives(values("closed"), breaker:state())
  end
  breaker:call(failing)
  goroutine.sleep(6)
  gives(values(false, "down"), breaker:call(failing))
  gives(values(false, "circuit open"), breaker:call(print))
end)

everywhere("the whole error value arrives", function()
  local breaker, err = goroutine.circuit_breaker({ threshold = 2 }), { "the error" }
  local ok, got = breaker:call(function() error(err) end)
  equal(ok, false)
  equal(got, err)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("a call that is cancelled says nothing", function()
  local breaker, inside = goroutine.circuit_breaker({ threshold = 2 }), goroutine.channel()
  breaker:call(failing)
  local h = goroutine.async(function()
    return breaker:call(function()
      inside:send(true)
      goroutine.sleep(60000)
    end)
  end)
  inside:receive()
  h:cancel()
  local _, why = h:await()
  equal(goroutine.is_cancelled(why), true)
  equal(breaker:state(), "closed")
end)

everywhere("it counts for all goroutines together", function()
  local breaker = goroutine.circuit_breaker({ threshold = 3 })
  for _, handle in ipairs(goroutine.spawn_many(3, function() breaker:call(error) end)) do handle:await() end
  equal(breaker:state(), "open")
end)

finish()
