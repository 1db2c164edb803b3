-- The standard libraries inside goroutines: what they do elsewhere, they do here.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["debug.gethook gives the goroutine's own hook alone"] = "the functions of `debug` are the script's own",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

test("math.random is seeded apart in every isolate", function()
  local seen = {}
  for _, handle in ipairs(goroutine.spawn_many(400, function()
    goroutine.yield()
    return math.random(1, 2 ^ 30) * 2 ^ 20 + math.random(1, 2 ^ 20)
  end)) do
    local ok, number = await(handle)
    assert(ok, number)
    equal(seen[number], nil, "the number " .. number)
    seen[number] = true
  end
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("xpcall calls its handler, across waits", function()
  gives(values(false, "broken, handled"), xpcall(function()
    goroutine.sleep(1)
    error("broken", 0)
  end, function(err) return err .. ", handled" end))
  gives(values(true, 1, nil), xpcall(function(...)
    goroutine.yield()
    return ...
  end, print, 1, nil))
end)

everywhere("an error in an error handler is an error", function()
  equal(xpcall(error, function() error("again") end, "first"), false)
end)

everywhere("debug.traceback tells the caller's lines", function()
  local function inner() return (debug.traceback("message", 1)) end
  local text = inner()
  contains(text, "message\nstack traceback:")
  contains(text, "libraries.lua:")
  equal(debug.getinfo(1, "S").short_src:match("libraries%.lua$"), "libraries.lua")
end)

everywhere("files are opened, written and read", function()
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write("one\ntwo\n")
  goroutine.yield()
  file:write("three\n")
  file:close()
  local lines = {}
  for line in io.lines(name) do
    goroutine.sleep(0.5)
    lines[#lines + 1] = line
  end
  os.remove(name)
  same(lines, { "one", "two", "three" })
end)

everywhere("os and string functions", function()
  equal(type(os.time()), "number")
  equal(os.getenv("NO_SUCH_VARIABLE_HERE"), nil)
  equal(os.date("!%Y", 0), "1970")
  equal(("%5.2f|%s|%d"):format(1.234, "x", 3), " 1.23|x|3")
  equal(("key=value"):match("(%w+)="), "key")
  gives(values("h_ll_", 2), ("hello"):gsub("[eo]", "_"))
end)

everywhere("garbage collection, and finalizers that start goroutines", function()
  local before = collectgarbage("count")
  equal(type(before), "number")
  local ran = goroutine.channel(1)
  do
    local _ = setmetatable({}, { __gc = function()
      goroutine.spawn(function() ran:try_send("from a finalizer") end)
    end })
  end
  collect()
  if math.type then gives(values("from a finalizer", true), ran:receive(30000)) end
end)

unless_lua("5.1 5.2 5.3 jit", "an error in a finalizer is raised in whatever collects garbage")
test("a finalizer that waits does no harm", function()
  gives(values("alive"), run(function()
    setmetatable({}, { __gc = function() goroutine.sleep(1) end })
    collect()
    goroutine.sleep(1)
    return "alive"
  end))
end)

unless_lua("5.1 5.2 jit", "`string.rep` takes the lowest 32 bits of a number")
unless_lua("5.5", "memory that the system refuses ends the process")
test("running out of memory fails only that goroutine", function()
  local ok, err = await(async(function() return #("x"):rep(1e15) end))
  equal(ok, false)
  equal(type(err), "string")
end)

unless_lua("5.1 jit", "coroutines that are nested tens of thousands deep end the process")
test("running out of C stack fails only that goroutine", function()
  local function nest(n)
    if n == 0 then return 0 end
    return 1 + coroutine.wrap(nest)(n - 1)
  end
  local ok, err = await(async(nest, 100000))
  equal(ok, false)
  equal(type(err), "string")
  ok, err = await(async(function() return ("("):rep(100000):find(("("):rep(100000)) end))
  equal(ok, false)
  ok, err = await(async(function() return load(("("):rep(10000) .. "1" .. (")"):rep(10000)) or error("refused") end))
  equal(ok, false)
  gives(values("alive"), run(function() return "alive" end))
end)

test("a wait where C calls back is an error, and the next wait works", function()
  gives(values(false, false, true, "after"), run(function()
    local sorted = pcall(table.sort, { 3, 1, 2 }, function(a, b)
      goroutine.sleep(1)
      return a < b
    end)
    local replaced = pcall(string.gsub, "abc", "%a", function(c)
      goroutine.yield()
      return c
    end)
    goroutine.sleep(1)
    local channel = goroutine.channel(1)
    return sorted, replaced, channel:send(1), "after"
  end))
end)

unless_lua("jit", "hooks do not see compiled loops")
test("debug.sethook is the goroutine's own", function()
  equal(run(function()
    local count = 0
    debug.sethook(function() count = count + 1 end, "", 100)
    for _ = 1, 10000 do end
    debug.sethook()
    return count > 10
  end), true)
end)

test("debug.gethook gives the goroutine's own hook alone", function()
  local function fresh() return debug.gethook(), (debug.gethook(coroutine.create(print))) end
  gives(values(nil, nil), run(fresh))
  for _, ends in ipairs({ function() end, error }) do
    goroutine.async(function()
      local function hook() end
      debug.sethook(hook, "", 1000000)
      assert(debug.gethook() == hook)
      ends()
    end):await()
    gives(values(nil, nil), run(fresh))
  end
  local kept = goroutine.async(function()
    local function hook() end
    debug.sethook(hook, "", 1000000)
    for _ = 1, 10 do
      goroutine.yield()
      assert(debug.gethook() == hook)
    end
    debug.sethook()
    return (debug.gethook())
  end)
  gives(values(true, nil), kept:await())
end)

unless_lua("jit", "all coroutines have the same hook")
test("a hook ends with the goroutine that has set it", function()
  for _ = 1, 20 do
    goroutine.async(function() debug.sethook(function() error("a stranger's hook", 0) end, "l") end):await()
    gives(values(true, "fine"), goroutine.async(function()
      local fine = "fine"
      return fine
    end):await())
  end
end)

unless_lua("5.1 5.2 jit", "no integer division and no operators on bits")
test("integer division, bit operations and goto survive the way", function()
  gives(values(3, 1, 6, "out"), run(compiled([[
    local a, b = 7 // 2, 7 & 1
    for i = 1, 3 do
      for j = 1, 3 do if i * j == 2 then goto out end end
    end
    ::out::
    return a, b, 3 << 1, "out"
  ]])))
end)

everywhere("select, next, ipairs, pairs with metamethods, tostring with __name", function()
  equal(select(-1, 1, 2, 3), 3)
  local proxy = setmetatable({}, { __index = function(_, i) if i <= 3 then return i * 10 end end })
  if math.type then
    local sum = 0
    for _, value in ipairs(proxy) do sum = sum + value end
    equal(sum, 60)
    local walked = setmetatable({}, { __pairs = function() return function(_, k) if not k then return 1, "one" end end, nil, nil end })
    for k, v in pairs(walked) do gives(values(1, "one"), k, v) end
    contains(tostring(setmetatable({}, { __name = "my type" })), "my type")
  end
  equal(next({}), nil)
end)

finish()
