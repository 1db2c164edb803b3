-- Wrong calls name the line that made them, wherever Lua still knows it.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["a refusal in tail position"] = "nothing is refused",
})
local goroutine = require("goroutine")

local exact = math.type ~= nil -- before Lua 5.3 the module's functions are Lua's, and a frame that tail-called one is gone
local function line() return debug.getinfo(2, "l").currentline end

-- What `fn` raises names this line of this file; without one, that of the call by pcall.
local function at(wanted, fn, ...)
  wanted = wanted or line() + 1
  local ok, err = pcall(fn, ...)
  equal(ok, false)
  local got = type(err) == "string" and err:match("positions%.lua:(%d+): ")
  equal(tonumber(got), wanted, tostring(err))
end

local handle = goroutine.async(function() end)
local channel = goroutine.channel()

unless_lua("5.1 5.2 jit", "a wrong call in tail position need not name its line")
everywhere("a call in tail position", function()
  local here = line()
  local tails = {
    function() return handle:await({}) end,
    function() return goroutine.await(5) end,
    function() return goroutine.await_all(5) end,
    function() return goroutine.channel(-1) end,
    function() return channel.sender(5) end,
    function() return goroutine.spawn(5) end,
    function() return goroutine.wait_group():add("x") end,
    function() return goroutine.sleep({}) end,
  }
  for i, tail in ipairs(tails) do
    at(exact and here + 1 + i or nil, tail)
  end
end)

everywhere("a call in tail position of a function that has one in Lua", function()
  -- Its own frame is gone: the nearest that is there calls it.
  local tails = {
    function() return goroutine.scope(5) end,
    function() return goroutine.pool_map("x", 5) end,
    function() return channel:range(5) end,
    function() return channel.iter(5) end,
  }
  for _, tail in ipairs(tails) do at(nil, tail) end
end)

test("a start by a C function is reported with the line that called it", function()
  local here = line() + 1
  local h = select(2, pcall(goroutine.async, function() goroutine.channel():receive() end))
  contains(goroutine.dump(), "goroutine " .. h:id() .. " (started at ")
  contains(goroutine.dump(), "positions.lua:" .. here .. ")")
  h:cancel()
  h:await()
end)

everywhere("a call by pcall itself", function()
  at(nil, goroutine.await_all, 5)
  at(nil, goroutine.spawn, 5)
  at(nil, goroutine.scope, 5)
  at(nil, channel.send)
end)

everywhere("a call at the end of several tail calls", function()
  local function last(x) return goroutine.await(x) end
  local function middle(x) return last(x) end
  local here = line()
  local function first()
    local result = middle(5)
    return result
  end
  local _, err = pcall(first)
  contains(err, "positions.lua:" .. (exact and here - 2 or here + 2) .. ": ")
end)

test("a goroutine that is nothing but such a call", function()
  local here = line() + 1
  local ok, err, traceback = goroutine.await(goroutine.async(function() return goroutine.await_all(5) end))
  equal(ok, false)
  contains(traceback, "stack traceback")
  if exact then
    contains(err, "positions.lua:" .. here .. ": bad argument #1 to 'await_all' (table expected, got number)")
    contains(traceback, "positions.lua:" .. here .. ": ")
  end
end)

test("a refusal in tail position", function()
  local captured = coroutine.create(function() end)
  local here = line() + 1
  local function start() return goroutine.async(function() return captured end) end
  local _, err = pcall(start)
  -- Where LuaJIT tail-calls a function in C, too, the frame is gone.
  contains(err, "positions.lua:" .. (jit and here + 1 or here) .. ": cannot send upvalue 'captured' (coroutine)")
end)

finish()
