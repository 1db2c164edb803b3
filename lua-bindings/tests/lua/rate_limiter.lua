-- Rate limiters.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("a burst goes through at once, the rest in its time", function()
  local limiter = goroutine.rate_limiter({ rate = 100, burst = 3 })
  local took = timed(function()
    for _ = 1, 6 do gives(values(true), limiter:wait()) end
  end)
  assert(took >= 29, took) -- three at once, then one each 10 ms
end)

everywhere("try does not wait, and a limit ends a wait", function()
  local limiter = goroutine.rate_limiter({ rate = 1, per = 3600000 })
  gives(values(true), limiter:try())
  gives(values(false), limiter:try())
  gives(values(false, "timeout exceeded"), limiter:wait(1))
  local waiting = goroutine.async(function() return limiter:wait() end)
  parked(waiting)
  waiting:cancel()
  waiting:await()
  gives(values(false), limiter:try())
end)

everywhere("it limits all goroutines together", function()
  local limiter, through = goroutine.rate_limiter({ rate = 1, per = 3600000, burst = 5 }), goroutine.atomic_int()
  local handles = goroutine.spawn_many(20, function()
    if limiter:try() or limiter:wait(1) then through:add() end
  end)
  for _, handle in ipairs(handles) do gives(values(true), handle:await()) end
  -- One that tries while another is just looking is turned away, and comes in by its wait.
  assert(through:load() <= 5, through:load())
end)

everywhere("a rate that says nothing is refused", function()
  for _, options in ipairs({ {}, { rate = 0 }, { rate = -1 }, { rate = 0 / 0 }, { rate = "5" } }) do
    raises("option 'rate'", goroutine.rate_limiter, options)
  end
  raises("did you mean 'burst'", goroutine.rate_limiter, { rate = 1, bursts = 2 })
end)

finish()
