-- timeout: a function with a limit.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local timeout = goroutine.timeout

everywhere("what ends in time gives true and its values", function()
  gives(values(true, 1, nil, 3, nil), timeout(30000, function() return 1, nil, 3, nil end))
  gives(values(true), timeout(30000, function() end))
  gives(values(true, "a", nil), timeout(30000, function(...) return ... end, "a", nil))
end)

everywhere("what fails in time gives false and the error", function()
  gives(values(false, "broken"), timeout(30000, function() error("broken", 0) end))
  local ok, err = timeout(30000, function() error({ code = 3 }) end)
  equal(ok, false)
  equal(err.code, 3)
end)

everywhere("what takes longer gives false and the words", function()
  local took, ok, why, more = timed(timeout, 30, function() goroutine.sleep(1e9) end)
  gives(values(false, "timeout exceeded", nil), ok, why, more)
  assert(took >= 30, "it came after " .. took .. " ms")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("the function sees that it was cancelled", function()
  local seen = goroutine.atomic_int()
  local limit = 10
  eventually("it is told", function()
    limit = limit * 2 -- on a busy machine it may not have begun by then
    timeout(limit, function()
      local _, err = pcall(goroutine.sleep, 1e9)
      if goroutine.is_cancelled(err) then seen:add() end
      error(err, 0)
    end)
    return seen:load() > 0
  end)
end)

everywhere("a limit of zero or less stops it at its first wait", function()
  gives(values(false, "timeout exceeded"), timeout(0, goroutine.sleep, 1e9))
  gives(values(false, "timeout exceeded"), timeout(-3, function() goroutine.channel():receive() end))
end)

everywhere("an endless limit is none", function()
  gives(values(true, "done"), timeout(math.huge, function() return "done" end))
  gives(values(true, "done"), timeout(1e308, function() return "done" end))
end)

everywhere("one timeout within another: the shorter one counts", function()
  local took, ok, inner, why = timed(timeout, 60000, function()
    return timeout(20, goroutine.sleep, 1e9)
  end)
  gives(values(true, false, "timeout exceeded"), ok, inner, why)
  assert(took < 30000, took)
  took, ok, why = timed(timeout, 20, function()
    return timeout(1e9, goroutine.sleep, 1e9)
  end)
  gives(values(false, "timeout exceeded"), ok, why)
  assert(took < 30000, took)
end)

everywhere("a function that timed out while it received takes nothing afterwards", function()
  local channel = goroutine.channel()
  for _ = 1, 50 do
    gives(values(false, "timeout exceeded"), timeout(1, function() return channel:receive() end))
    local sender = goroutine.async(function() return channel:send("kept") end)
    gives(values("kept", true), channel:receive(3000))
    gives(values(true, true), sender:await())
  end
end)

test("a thousand timeouts at once end at their limits", function()
  local took = timed(function()
    local handles = goroutine.spawn_many(1000, function()
      return timeout(50, function() goroutine.sleep(1e9) end)
    end)
    for _, handle in ipairs(handles) do
      gives(values(true, false, "timeout exceeded"), handle:await())
    end
  end)
  assert(took >= 50 and took < 20000, took)
end)

finish()
