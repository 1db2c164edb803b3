-- Goroutines that compute for long make room for others, and can be stopped. So that they are interrupted often, a time slice is
-- very short here; nothing before this file's first line has started a goroutine.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["short ones get their turn beside endless loops in every isolate"] = "nothing runs while one computes",
  ["interrupts change nothing of what a goroutine computes"] = "nothing runs while one computes",
  ["a hook of the script's own outlives interrupts, and new coroutines inherit it"] = "nothing runs while one computes",
  ["endless loops of all kinds are cancelled"] = "nothing runs while one computes",
  ["timeout, scope and pools stop what computes"] = "nothing runs while one computes",
  ["variables are closed once when a computing goroutine is cancelled"] = "nothing runs while one computes",
  ["closing variables is bounded in time"] = "nothing runs while one computes",
})
local goroutine = require("goroutine")
local async = goroutine.async

goroutine.configure({ time_slice = 0.02 })

-- How often goroutines are interrupted in each of the tests of exactness. For a longer look:
-- GOROUTINE_TEST_INTERRUPTS=1000000 sloth-runner run interrupts.lua, or the same with an interpreter; it then prints how many they were.
local LONG_LOOK = tonumber(os.getenv("GOROUTINE_TEST_INTERRUPTS"))
local ENOUGH = LONG_LOOK or 1000

local function endless() while true do end end

unless_lua("5.1 5.2 jit", "a goroutine that computes keeps its isolate")
test("short ones get their turn beside endless loops in every isolate", function()
  local stop = goroutine.atomic_int()
  local loops = {}
  for i = 1, 16 do
    loops[i] = async(function() while stop:load() == 0 do end return "stopped" end)
  end
  for i = 1, 20 do gives(values(true, i), async(function() return i end):await()) end
  -- Those that wait and wake among them, too.
  local ping, pong = goroutine.channel(), goroutine.channel()
  local echo = async(function() for v in ping:iter() do pong:send(v) end end)
  for i = 1, 20 do
    ping:send(i)
    equal((pong:receive()), i)
  end
  ping:close()
  echo:await()
  stop:add()
  for i = 1, 16 do gives(values(true, "stopped"), loops[i]:await()) end
end)

-- Code of all kinds, whose result tells whether anything was lost or done twice.
local function work(rounds)
  local Vector = {}
  Vector.__index = Vector
  Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Vector) end
  Vector.__eq = function(a, b) return a.x == b.x and a.y == b.y end
  Vector.__lt = function(a, b) return a.x < b.x end
  Vector.__concat = function(a, b) return tostring(a) .. tostring(b) end
  Vector.__tostring = function(v) return v.x .. "," .. v.y end
  Vector.__call = function(v, n) return v.x * n + v.y end
  Vector.__len = function(v) return v.x end
  local counted = setmetatable({}, { __index = function(t, k) local v = k * 2 rawset(t, k, v) return v end })
  local function numbers(n)
    return coroutine.wrap(function()
      for i = 1, n do coroutine.yield(i, i % 3) end
    end)
  end
  local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
  local function vararg(...) local sum = 0 for i = 1, select("#", ...) do sum = sum + select(i, ...) end return sum end
  local sum, texts = 0, {}
  for round = 1, rounds do
    local v = setmetatable({ x = round, y = 1 }, Vector) + setmetatable({ x = 1, y = round }, Vector)
    sum = sum + v(3) + #v + (v == v + setmetatable({ x = 0, y = 0 }, Vector) and 1 or 0)
    for i, third in numbers(7) do sum = sum + i * third end
    local ok, err = pcall(function()
      local t = {}
      for i = 1, 10 do t[i] = { i, counted[i] } end
      if round % 2 == 0 then error({ code = #t }) end
      return t[10][2]
    end)
    sum = sum + (ok and err or err.code)
    sum = sum + select(2, xpcall(error, function(e) return #e end, "four"))
    local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) error("end " .. b, 0) end)
    local _, first = coroutine.resume(co, round)
    local _, last = coroutine.resume(co, "x")
    sum = sum + first + #last + deep(50) + vararg(1, 2, 3, round)
    texts[round % 10 + 1] = v .. v
    local list = {}
    for i = 1, 10 do list[i] = (i * 7) % 11 end
    table.sort(list, function(a, b) return a > b end)
    sum = sum + list[1] * 100 + list[10]
    sum = sum + #(("abc"):rep(5):gsub("b", function(c) return c .. c end))
    for k, w in pairs({ a = 1, b = 2, c = 3 }) do sum = sum + #k * w end
    if round % 50 == 0 then collectgarbage("step") end
  end
  return sum, table.concat(texts, ";")
end

unless_lua("5.1 5.2 jit", "a goroutine that computes keeps its isolate")
test("interrupts change nothing of what a goroutine computes", function()
  local rounds = 300
  local sum, text = work(rounds)
  local before = goroutine.stats().interrupts
  repeat
    local handles = {}
    for i = 1, 6 do handles[i] = async(work, rounds) end
    for i = 1, 6 do gives(values(true, sum, text), handles[i]:await()) end
  until goroutine.stats().interrupts - before >= ENOUGH
end)

unless_lua("5.1 5.2 jit", "a goroutine that computes keeps its isolate")
test("a hook of the script's own outlives interrupts, and new coroutines inherit it", function()
  local before = goroutine.stats().interrupts
  local function hooked()
    local lines = 0
    local function hook() lines = lines + 1 end
    -- At this very moment another may stand in for it.
    local function there()
      for _ = 1, 1000 do
        if debug.gethook() == hook then return true end
      end
      return false
    end
    debug.sethook(hook, "l")
    for round = 1, 200 do
      assert(there(), "it is lost")
      local seen = lines
      local in_coroutine = coroutine.wrap(function()
        -- The function is none of this coroutine's, but when it is called is inherited.
        local there, mask = debug.gethook()
        local lost = there == nil and (mask == nil or mask == "")
        local x = 0
        for i = 1, 20 do
          x = x + i
        end
        return lost
      end)()
      assert(not in_coroutine, "a new coroutine has none")
      for _ = 1, 1000 do
        if lines > seen then
          break
        end
      end
      assert(lines > seen, "it is not called")
      debug.sethook(hook, round % 2 == 0 and "l" or "lcr", round % 3)
    end
    debug.sethook()
    for _ = 1, 1000 do assert(debug.gethook() ~= hook, "it is still there") end
    return true
  end
  repeat
    local handles = {}
    for i = 1, 6 do handles[i] = async(hooked) end
    for i = 1, 6 do gives(values(true, true), handles[i]:await()) end
  until goroutine.stats().interrupts - before >= ENOUGH
end)

local function ends_soon(handle)
  handle:cancel("enough")
  local ok, err = handle:await(20000)
  equal(ok, false)
  assert(goroutine.is_cancelled(err), tostring(err))
  equal(handle:status(), "cancelled")
end

unless_lua("jit", "hooks do not see compiled loops")
test("endless loops of all kinds are cancelled", function()
  local began = goroutine.atomic_int()
  local kinds = {
    function() began:add() endless() end,
    function() began:add() while true do pcall(endless) end end,
    function() began:add() while true do pcall(error, "x") end end,
    function() began:add() coroutine.wrap(function() coroutine.wrap(endless)() end)() end,
    function() began:add() local co = coroutine.create(function() while true do coroutine.yield() end end) while true do coroutine.resume(co) end end,
    function() began:add() while true do coroutine.wrap(function() pcall(endless) end)() end end,
    function() began:add() table.sort({ 1, 2, 3 }, function() endless() end) end,
    function() began:add() string.gsub("x", "x", endless) end,
    function() began:add() local t = setmetatable({}, { __index = endless }) return t.x end,
    function() began:add() compiled("while true do end")() end,
    function() began:add() local function f() return f() end f() end,
    function() began:add() while true do xpcall(endless, debug.traceback) end end,
  }
  for i, kind in ipairs(kinds) do
    local handle = async(kind)
    local count = i
    eventually("it has begun", function() return began:load() == count end)
    ends_soon(handle)
  end
end)

unless_lua("jit", "hooks do not see compiled loops")
test("timeout, scope and pools stop what computes", function()
  local ok, err = goroutine.timeout(20, endless)
  equal(ok, false)
  contains(err, "timeout exceeded")
  local raised, message = pcall(goroutine.scope, function(s)
    s:spawn(endless)
    s:spawn(function() goroutine.sleep(5) error("the first error", 0) end)
  end)
  equal(raised, false)
  equal(message, "the first error")
  goroutine.pool_create("loops", { workers = 2 })
  for _ = 1, 3 do goroutine.pool_submit("loops", endless) end
  goroutine.pool_close("loops", { cancel = true })
  -- What comes then runs.
  for i = 1, 10 do gives(values(true, i), async(function() return i end):await(20000)) end
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("variables are closed once when a computing goroutine is cancelled", function()
  local make = load([[
    local goroutine, began, closed, finish = ...
    local function variable(fn) return setmetatable({}, { __close = fn }) end
    local function inner()
      local one <close> = variable(function() closed:add(1) end)
      coroutine.wrap(function()
        local two <close> = variable(function() closed:add(10) end)
        pcall(function()
          local three <close> = variable(function() goroutine.sleep(1) closed:add(100) end)
          began:add()
          while true do end
        end)
        while true do end
      end)()
    end
    return inner
  ]])
  local began, closed = goroutine.atomic_int(), goroutine.atomic_int()
  local handle = async(make(goroutine, began, closed))
  eventually("it has begun", function() return began:load() == 1 end)
  ends_soon(handle)
  equal(closed:load(), 111)
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("closing variables is bounded in time", function()
  local make = load([[
    local goroutine, began, wait = ...
    return function()
      local one <close> = setmetatable({}, { __close = function() while true do if wait then goroutine.sleep(1) end end end })
      began:add()
      while true do end
    end
  ]])
  for _, wait in ipairs({ true, false }) do
    local began = goroutine.atomic_int()
    local handle = async(make(goroutine, began, wait))
    eventually("it has begun", function() return began:load() == 1 end)
    local took = timed(ends_soon, handle)
    assert(took >= 500, took) -- it had its time
  end
  for i = 1, 10 do gives(values(true, i), async(function() return i end):await(20000)) end
end)

if LONG_LOOK then
  print(goroutine.stats().interrupts .. " interrupts")
end

finish()
