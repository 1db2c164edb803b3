-- "My script is through, and the process does not end: a thread waits for a thread that waits for a channel that nobody will
-- ever write to."
--
-- This file ends with all of that left behind. The harness wants everything to have unwound in time; an interpreter is to
-- come to its end.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

local async = goroutine.async

local never = goroutine.channel()
local unwound = goroutine.atomic_int()

-- Runs `fn`, which is to be stopped in the middle. (It may return then: what it waited for can have been stopped before.)
local function left_behind(fn, ...)
  local handle = async(function(...)
    local ok, err = pcall(fn, ...)
    unwound:add()
    if not ok then error(err, 0) end
  end, ...)
  parked(handle)
  return handle
end

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("goroutines that wait for ever are left behind", function()
  local group = goroutine.wait_group()
  group:add()
  local full = goroutine.channel(1)
  full:send("full")
  kept = {
    left_behind(function() never:receive() end),
    left_behind(function() full:send("no room") end),
    left_behind(function() group:wait() end),
    left_behind(function() goroutine.sleep(math.huge) end),
    left_behind(function() coroutine.wrap(function() never:receive() end)() end),
    left_behind(function() goroutine.scope(function(s) s:spawn(function() never:receive() end) end) end),
    left_behind(function() goroutine.wait_all(goroutine.spawn(function() never:receive() end) and nil) end),
  }
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("two that wait for each other", function()
  local one, other = goroutine.channel(), goroutine.channel()
  local first = left_behind(function() goroutine.await((one:receive())) end)
  local second = left_behind(function() goroutine.await((other:receive())) end)
  one:send(second)
  other:send(first)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("a pool with work, a queue, and a submitter in front of it", function()
  goroutine.pool_create("left behind", { workers = 2, queue = 2 })
  for _ = 1, 4 do goroutine.pool_submit("left behind", function() never:receive() end) end
  left_behind(function() goroutine.pool_submit("left behind", print) end)
  left_behind(function() goroutine.pool_wait("left behind") end)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("a goroutine that starts others while it is stopped", function()
  left_behind(function()
    local ok, err = pcall(never.receive, never)
    for _ = 1, 10 do pcall(goroutine.spawn, function() never:receive() end) end
    error(ok or err, 0)
  end)
end)

-- Calls everything that a module or an object has, with what may be right for it.
local function call_all(functions, object)
  for _, fn in pairs(functions) do
    if type(fn) == "function" then
      pcall(fn, object, function() end)
      pcall(fn, object, 1)
      pcall(fn, 1, function() end)
      pcall(fn, object)
    end
  end
end

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("finalizers at home that use all that there is, when the state is closed", function()
  local full, group, cell = goroutine.channel(1), goroutine.wait_group(), goroutine.atomic_int()
  full:send("full")
  closing = setmetatable({}, { __gc = function()
    call_all(goroutine, function() end)
    for _, object in ipairs({ kept[1], never, full, group, cell }) do
      call_all(debug.getmetatable(object).__index, object)
      tostring(object)
    end
  end })
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("none of them has ended yet", function()
  equal(unwound:load(), 0)
end)

finish()
