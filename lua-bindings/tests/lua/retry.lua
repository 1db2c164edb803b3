-- Trying again.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local QUICK = { initial_delay = 1, max_delay = 2 }

everywhere("retry gives what the function gives once it succeeds", function()
  local attempts = {}
  gives(values("done", nil, 3), goroutine.retry(QUICK, function(attempt)
    attempts[#attempts + 1] = attempt
    if attempt < 3 then error("not yet") end
    return "done", nil, attempt
  end))
  same(attempts, { 1, 2, 3 })
  gives(values(), goroutine.retry(nil, function() end))
end)

everywhere("after the last attempt it gives nil and the last error", function()
  local err, calls = { "the error" }, 0
  local got, why = goroutine.retry({ max_attempts = 3, initial_delay = 0 }, function()
    calls = calls + 1
    error(err)
  end)
  equal(got, nil)
  equal(why, err)
  equal(calls, 3)
end)

everywhere("the delays grow, up to the longest", function()
  local took = timed(goroutine.retry, { max_attempts = 4, initial_delay = 4, multiplier = 2, max_delay = 8, jitter = false }, function()
    error("no")
  end)
  assert(took >= 4 + 8 + 8, took)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("a cancelled goroutine does not try again", function()
  local calls, inside = goroutine.atomic_int(), goroutine.channel()
  local h = goroutine.async(function()
    goroutine.retry({ initial_delay = 0 }, function()
      calls:add()
      inside:send(true)
      goroutine.sleep(60000)
    end)
  end)
  inside:receive()
  h:cancel()
  local _, err = h:await()
  equal(goroutine.is_cancelled(err), true)
  equal(calls:load(), 1)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("a cancelled goroutine is cancelled, whatever the function has made of it", function()
  local h = goroutine.async(function()
    return goroutine.retry({ initial_delay = 0 }, function()
      goroutine.current():cancel("enough")
      error("in between", 0)
    end)
  end)
  local ok, err = h:await()
  gives(values(false, "cancelled: enough", true), ok, tostring(err), goroutine.is_cancelled(err))
  equal(h:status(), "cancelled")
end)

finish()
