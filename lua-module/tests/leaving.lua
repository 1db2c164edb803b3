-- Ends in the way that its first argument names, with goroutines of the kind that the second names still running. The third
-- names the module, if it is not `goroutine`.
local goroutine = require(arg[3] or "goroutine")
local way, kind = arg[1], arg[2]

-- One of each that can still be running, and lines that may not be cut in half.
local function everything()
  local never, held = goroutine.channel(), goroutine.mutex()
  local here = require("goroutine.local")
  goroutine.spawn(function() held:lock() goroutine.sleep(1e9) end)
  goroutine.pool_create("tasks", { workers = 2, queue = 8 })
  for _ = 1, 5 do goroutine.pool_submit("tasks", goroutine.sleep, 1e9) end
  for _, fn in ipairs({
    function() while true do end end,
    function() while true do pcall(function() while true do end end) end end,
    function() coroutine.wrap(function() goroutine.sleep(1e9) end)() end,
    function() never:receive() end,
    function() held:lock() end,
    function() goroutine.select({ { channel = never, receive = true }, { after = 1e9 } }) end,
    function() os.execute("sleep 1") end,
    function() io.popen("sleep 1"):read() end,
    function() return (("a"):rep(40)):find(("a*"):rep(40) .. "b") end, -- in C, for ever
    function() while true do print("line " .. ("x"):rep(100) .. " end") goroutine.sleep(1) end end,
  }) do
    goroutine.spawn(fn)
  end
  here.spawn(function() while true do here.sleep(1) end end)
  here.spawn(function() never:receive() end)
  here.spawn(function() here.timeout(1e9, here.sleep, 1e9) end)
  goroutine.sleep(tonumber(os.getenv("LEAVE_AFTER")) or 20)
end

local ready = goroutine.wait_group()
for i = 1, kind == "everything" and 0 or 8 do
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

if kind == "everything" then
  everything()
end

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
elseif way == "interrupt" then
  -- Somebody sends SIGINT meanwhile.
  while true do
    goroutine.sleep(5)
  end
end
