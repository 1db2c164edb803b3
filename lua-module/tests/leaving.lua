-- Ends in the way that its first argument names, with goroutines of the kind that the second names still running. The third
-- names the module, if it is not `goroutine`.
local goroutine = require(arg[3] or "goroutine")
local way, kind = arg[1], arg[2]

local ready = goroutine.wait_group()
for i = 1, 8 do
  ready:add(1)
  goroutine.spawn(function()
    ready:done()
    if kind == "endless" then
      while true do
      end
    elseif kind == "busy" then
      while true do
        goroutine.sleep(1)
      end
    end
    goroutine.sleep(1e9)
  end)
  if kind == "endless" and i == 2 then
    break -- they occupy their isolates for good
  end
end
ready:wait(kind == "endless" and 50 or 5000)

if way == "finalizer" then
  -- They wait for what never comes; the last of them, which is the first to be called, for what comes in time.
  local never = goroutine.channel()
  Waiting = {}
  for i = 1, 3 do
    Waiting[i] = setmetatable({}, { __gc = function() return never:receive() end })
  end
  local late = goroutine.async(function()
    goroutine.sleep(300)
    return "in time"
  end)
  Waiting[4] = setmetatable({}, { __gc = function()
    local _, answer = goroutine.await(late)
    io.stdout:write("answer: ", tostring(answer), "\n")
  end })
elseif way == "error" then
  error("on purpose")
elseif way == "exit" then
  os.exit(3)
elseif way == "exit-close" then
  os.exit(3, true)
elseif way == "exit-inside" then
  goroutine.spawn(function()
    os.exit(3)
  end)
  goroutine.sleep(1e9)
end
