-- "I stopped waiting after the limit. The answer came a moment later, and went to the next thing that the same thread waited for;
-- or it was lost."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

everywhere("a value that comes about when the limit passes is received once, by whoever waits then", function()
  local channel = goroutine.channel()
  local count = 300
  local sender = async(function()
    for i = 1, count do
      channel:send(i)
      if i % 7 == 0 then goroutine.sleep(0.3) end
    end
    channel:close()
  end)
  local received, next_number = 0, 1
  while true do
    local value, ok, why = channel:receive(next_number % 3 * 0.1)
    if ok then
      equal(value, next_number)
      received, next_number = received + 1, next_number + 1
    elseif why ~= "timeout exceeded" then
      break
    end
  end
  equal(received, count)
  gives(values(true), await(sender))
end)

everywhere("a wait that was given up does not end the next one, of another kind", function()
  local answer, other = goroutine.channel(), goroutine.channel()
  local slow = async(function() return (answer:receive()) end)
  for i = 1, 20 do
    gives(values(false, "timeout exceeded"), await(slow, 0.2))
    gives(values(nil, false, "timeout exceeded"), other:receive(0.2))
    local quick = async(function() return i end)
    gives(values(true, i), await(quick))
  end
  answer:send("late")
  gives(values(nil, false, "timeout exceeded"), other:receive(1))
  gives(values(true, "late"), await(slow))
end)

everywhere("when a goroutine has ended, what it waited for does not reach the one that has its place", function()
  local late = goroutine.channel()
  for i = 1, 100 do
    local handle = async(function() return (late:receive()) end)
    if i % 2 == 0 then parked(handle) end
    handle:cancel()
    local successor = async(function(n)
      goroutine.sleep(0.1)
      return n
    end, i)
    local taken = late:try_send("late " .. i)
    local ok, value = await(handle)
    if taken and not ok then
      -- It was handed to the one that was being stopped, who gives it back.
      gives(values("late " .. i, true), late:try_receive())
    else
      gives(values(taken, taken and "late " .. i or false), ok, ok and value)
    end
    gives(values(true, i), await(successor))
  end
end)

finish()
