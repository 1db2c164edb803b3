-- What arrives of functions: captured variables, shared ones, recursion, environments.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["they are copies, taken when the goroutine starts"] = "captured variables are shared",
  ["a variable that changes after the start has its old value there"] = "captured variables are shared",
  ["two closures that share a variable share it on arrival"] = "captured variables are shared",
  ["closures in a table share, and two such tables do not"] = "nothing is copied",
  ["a helper keeps state of its own in each goroutine"] = "captured variables are shared",
  ["a chunk loaded with an environment keeps a copy of it"] = "nothing is copied",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

everywhere("captured variables of every kind are there", function()
  local number, text, yes, no, nothing, list = 42, "text", true, false, nil, { 1, { 2 } }
  gives(values(42, "text", true, false, nil, 2), run(function()
    return number, text, yes, no, nothing, list[2][1]
  end))
end)

everywhere("they are copies, taken when the goroutine starts", function()
  local list = { 1 }
  local gate = goroutine.channel()
  local handle = async(function()
    gate:receive()
    return list[1]
  end)
  list[1] = 2
  gate:close()
  gives(values(true, 1), await(handle))
end)

everywhere("a variable that changes after the start has its old value there", function()
  local n = 1
  local handle = async(function() return n end)
  n = 2
  gives(values(true, 1), await(handle))
  gives(values(true, 2), await(async(function() return n end)))
end)

everywhere("the loop's variable is the one of its turn", function()
  local handles = {}
  for i = 1, 20 do handles[i] = async(function() return i * i end) end
  for i = 1, 20 do gives(values(true, i * i), await(handles[i])) end
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("two closures that share a variable share it on arrival", function()
  local function counter()
    local n = 0
    return function() n = n + 1 return n end, function() return n end
  end
  local increment, get = counter()
  increment()
  gives(values(1, 2, 3, 3), run(function()
    local before = get()
    return before, increment(), increment(), get()
  end))
  equal(get(), 1)
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("closures in a table share, and two such tables do not", function()
  local function account(balance)
    return {
      deposit = function(n) balance = balance + n end,
      balance = function() return balance end,
    }
  end
  local a, b = account(10), account(100)
  gives(values(15, 100), run(function(x, y)
    x.deposit(5)
    return x.balance(), y.balance()
  end, a, b))
  equal(a.balance(), 10)
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("a result's closures share a variable, too", function()
  local pair = run(function()
    local n = 0
    return { add = function() n = n + 1 end, get = function() return n end }
  end)
  pair.add()
  pair.add()
  equal(pair.get(), 2)
end)

everywhere("a helper keeps state of its own in each goroutine", function()
  local n = 0
  local function next_number()
    n = n + 1
    return n
  end
  for _ = 1, 3 do
    gives(values(1, 2), run(function() return next_number(), next_number() end))
  end
  equal(next_number(), 1)
end)

everywhere("a recursive function", function()
  local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
  equal(run(fib, 15), 610)
end)

everywhere("mutually recursive functions", function()
  local even, odd
  function even(n) if n == 0 then return true end return odd(n - 1) end
  function odd(n) if n == 0 then return false end return even(n - 1) end
  gives(values(true, false), run(function() return even(100), odd(100) end))
end)

everywhere("functions that capture each other through tables", function()
  local module = {}
  function module.a(n) return n == 0 and "end" or module.b(n - 1) end
  function module.b(n) return module.a(n) end
  equal(run(function() return module.a(10) end), "end")
  equal(run(module.a, 10), "end")
end)

everywhere("varargs", function()
  local function tail(first, ...) return select("#", ...), ... end
  gives(values(3, nil, "b", nil), run(tail, "a", nil, "b", nil))
  gives(values(0), run(tail))
end)

everywhere("a function that returns functions that return functions", function()
  local function add(a) return function(b) return function(c) return a + b + c end end end
  equal(run(function() return add(1)(2)(3) end), 6)
  equal(run(add, 1)(2)(3), 6)
end)

everywhere("a function with 60 captured variables", function()
  local source = { "local v = ...\n" }
  for i = 1, 60 do source[#source + 1] = "local v" .. i .. " = v + " .. i .. "\n" end
  source[#source + 1] = "return function() return 0"
  for i = 1, 60 do source[#source + 1] = " + v" .. i end
  source[#source + 1] = " end"
  local fn = compiled(table.concat(source))(1000)
  equal(run(fn), 60 * 1000 + 1830)
end)

everywhere("the same function twice is the same function", function()
  local function f() end
  gives(values(true, true), run(function(list) return list[1] == list[2], list[1] == f end, { f, f }))
end)

everywhere("functions are keys of tables", function()
  local function f() return "called" end
  local names = { [f] = "f" }
  equal(run(function(fn) return names[fn] .. fn() end, f), "fcalled")
end)

everywhere("methods and functions of a captured table", function()
  local object = { n = 5 }
  function object:add(m) return self.n + m end
  equal(run(function() return object:add(37) end), 42)
  equal(run(object.add, object, 1), 6)
end)

everywhere("a function from load", function()
  local chunk = compiled("local a, b = ... return a + b, ...")
  gives(values(3, 1, 2), run(chunk, 1, 2))
end)

-- A global of this file, for code without its names.
global_for_stripped = 40

unless_lua("5.1 5.2 jit", "`string.dump` does not strip on request")
everywhere("a function without debug information", function()
  local plain = load(string.dump(function(a, ...) return a + 1, ... end, true))
  gives(values(2, "x"), run(plain, 1, "x"))
  local using_globals = load(string.dump(function(n) return math.max(n, global_for_stripped) + 2, type(string.upper) end, true))
  gives(values(42, "function"), run(using_globals, 1))
  gives(values(42, "function"), run(function() return using_globals(1) end))
end)

unless_lua("5.1 5.2 5.3 jit", "no constants (`<const>`)")
everywhere("variables that are constants", function()
  local check = compiled([[
    local run = ...
    local number <const>, list <const>, text <const> = 5, { 6 }, "seven"
    return run(function() return number, list[1], text end)
  ]])
  gives(values(5, 6, "seven"), check(run))
end)

everywhere("methods of our objects, captured", function()
  local channel = goroutine.channel(1)
  local send, receive = channel.send, channel.receive
  gives(values(true, "sent", true), run(function() return send(channel, "sent"), receive(channel) end))
end)

everywhere("a C function is found by its name, also under another", function()
  local insert, format, floor, unpack_ = table.insert, string.format, math.floor, table.unpack or unpack
  gives(values("7|3", 1, 2), run(function()
    local list = {}
    insert(list, 7)
    insert(list, floor(3.9))
    local a, b = unpack_({ 1, 2 })
    return format("%d|%d", list[1], list[2]), a, b
  end))
  equal(run(function(f, ...) return f(...) end, string.rep, "ab", 3), "ababab")
  equal(run(math.max, 3, 9, 4), 9)
end)

everywhere("functions and methods of ours are started like others", function()
  gives(values(), run(goroutine.sleep, 1))
  local channel = goroutine.channel(1)
  gives(values(true), run(channel.send, channel, "sent"))
  gives(values("sent", true), run(channel.receive, channel))
  equal(run(goroutine._VERSION.sub, "abc", 2), "bc")
end)

everywhere("library tables arrive as the libraries", function()
  gives(values(true, true, true), run(function(s, list)
    return s == string, list.m == math, list.g == goroutine
  end, string, { m = math, g = goroutine }))
end)

everywhere("a string's methods work", function()
  local text = "abc"
  gives(values("ABC", 3, "c"), run(function() return text:upper(), text:len(), (text:sub(-1)) end))
end)

everywhere("a very long function with many constants", function()
  local source = { "local t = {}\n" }
  for i = 1, 2000 do source[#source + 1] = ("t[%d] = %q\n"):format(i, "constant " .. i) end
  source[#source + 1] = "return #t, t[1234]"
  gives(values(2000, "constant 1234"), run(compiled(table.concat(source))))
end)

everywhere("10,000 closures of one function", function()
  local list = {}
  for i = 1, 10000 do list[i] = function() return i end end
  local sum, back = run(function(fns)
    local total = 0
    for _, fn in ipairs(fns) do total = total + fn() end
    return total, fns
  end, list)
  equal(sum, 50005000)
  equal(back[777](), 777)
end)

test("a chain of 20,000 functions, each capturing the one before", function()
  local fn = function() return 0 end
  for _ = 1, 20000 do
    local before = fn
    fn = function(n) return n == 0 and "reached" or before(n - 1) end
  end
  -- Called to a depth that any stack allows: what is tested is that all of it travels.
  local there, back = run(function(f) return f(150), f end, fn)
  equal(there, "reached")
  equal(back(150), "reached")
end)

test("upvalues that are assigned between starts are read anew each time", function()
  local config = { level = 1 }
  local function level() return config.level end
  for i = 1, 5 do
    config = { level = i }
    equal(run(function() return level() end), i)
  end
end)

if math.type then
  everywhere("an _ENV of one's own travels as the table that it is", function()
    local fn = assert(load([[
      local _ENV = { x = 5, print = false }
      return function() y = x + 1 return x, y, print end
    ]]))()
    gives(values(5, 6, false), run(function() return fn() end))
    gives(values(5, 6, false), run(fn))
  end)

  everywhere("_ENV as a parameter", function()
    local function read(_ENV) return x end
    equal(run(read, { x = "inside" }), "inside")
    equal(run(function() return read({ x = "nested" }) end), "nested")
  end)

  everywhere("a chunk loaded with an environment keeps a copy of it", function()
    local env = { n = 1 }
    local chunk = load("n = n + 1 return n", "=chunk", "t", env)
    gives(values(2, 3), run(function() return chunk(), chunk() end))
    equal(env.n, 1)
  end)

  everywhere("two functions with one environment share it on arrival", function()
    local env = { n = 0 }
    local set = load("n = ...", "=set", "t", env)
    local get = load("return n", "=get", "t", env)
    equal(run(function()
      set(7)
      return get()
    end), 7)
  end)

  everywhere("an environment that falls back on the globals finds them there", function()
    local env = setmetatable({}, { __index = _G })
    local chunk = load("return type(tostring), string.upper('x')", "=chunk", "t", env)
    gives(values("function", "X"), run(chunk))
  end)
end

-- Functions that are started again and again: an isolate may use what it has loaded before.

everywhere("a function that is started again has captured variables of its own", function()
  local function start(n)
    local text = "text " .. n
    return async(function(...) return n, text, select("#", ...) end)
  end
  for n = 1, 50 do
    gives(values(true, n, "text " .. n, 0), await(start(n)))
  end
  local handles = {}
  for n = 1, 50 do handles[n] = start(n) end
  for n = 1, 50 do gives(values(true, n, "text " .. n, 0), await(handles[n])) end
end)

everywhere("one that waits keeps its captured variables while others start the same code", function()
  local gates, handles = {}, {}
  for n = 1, 20 do
    local gate = goroutine.channel()
    gates[n] = gate
    handles[n] = async(function()
      gate:receive()
      return n
    end)
  end
  for n = 20, 1, -1 do
    gates[n]:close()
    gives(values(true, n), await(handles[n]))
  end
end)

everywhere("a nested function that is kept keeps the captured variables of its goroutine", function()
  for n = 1, 20 do
    -- It is kept in a table of the isolate, where the next goroutine of the same code finds it.
    local _, kept, expected = await(async(function()
      local kept, expected = string.kept and string.kept(), string.kept_number
      string.kept, string.kept_number = function() return n end, n
      return kept, expected
    end))
    equal(kept, expected)
  end
  for _ = 1, 8 do
    await(async(function() string.kept, string.kept_number = nil, nil end))
  end
end)

everywhere("one that fails, or is cancelled, leaves nothing to the next one", function()
  for n = 1, 20 do
    local mode = n % 3
    local handle = async(function()
      if mode == 1 then error("failed " .. n, 0) end
      if mode == 2 then goroutine.sleep(60000) end
      return n
    end)
    if mode == 2 then handle:cancel() end
    local ok, result = await(handle)
    if mode == 1 then
      gives(values(false, "failed " .. n), ok, result)
    elseif mode == 0 then
      gives(values(true, n), ok, result)
    else
      equal(goroutine.is_cancelled(result), true)
    end
  end
end)

everywhere("what a function captured is let go when it has returned", function()
  local channel = goroutine.channel(1)
  local _, count = await(async(function()
    local weak = setmetatable({}, { __mode = "v" })
    for n = 1, 10 do
      local big = { n }
      local _, inner = await(async(function() return big end))
      weak[n] = inner
      big, inner = nil, nil
    end
    collectgarbage()
    collectgarbage()
    local count = 0
    for _ in pairs(weak) do count = count + 1 end
    return count
  end))
  equal(count, 0)
  channel:close()
end)

finish()
