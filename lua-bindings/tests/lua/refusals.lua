-- What cannot travel is refused where it is given, with the way to it, and nothing has run.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("nothing is copied, so nothing is refused")
local goroutine = require("goroutine")

local async, await, spawn = goroutine.async, goroutine.await, goroutine.spawn

local file = io.tmpfile()
local thread = coroutine.create(function() end)
local FILE = "(userdata 'FILE*') to a goroutine: open it inside"

-- All that start a function, as functions of the function to start and its arguments. (In parentheses: a tail call would
-- leave no line to be named in messages.)
local starters = {
  spawn = function(fn, ...) return (goroutine.spawn(fn, ...)) end,
  async = function(fn, ...) return (goroutine.async(fn, ...)) end,
  spawn_many = function(fn, ...) return (goroutine.spawn_many(3, fn, ...)) end,
  timeout = function(fn, ...) return (goroutine.timeout(1000, fn, ...)) end,
  scope = function(fn, ...)
    local all, n = { ... }, select("#", ...)
    return (goroutine.scope(function(s) return (s:spawn(fn, (table.unpack or unpack)(all, 1, n))) end))
  end,
  pool_submit = function(fn, ...) return (goroutine.pool_submit("refusals", fn, ...)) end,
  pool_submit_priority = function(fn, ...) return (goroutine.pool_submit_priority("refusals", 1, fn, ...)) end,
  pool_async = function(fn, ...) return (goroutine.pool_async("refusals", fn, ...)) end,
  blocking = function(fn, ...) return (goroutine.blocking(fn, ...)) end,
  context_run = function(fn, ...)
    local ctx = goroutine.context()
    return (ctx:run(fn, ...))
  end,
  context_spawn = function(fn, ...)
    local ctx = goroutine.context()
    return (ctx:spawn(fn, ...))
  end,
  pool_object = function(fn, ...)
    local pool = goroutine.pool("refusals")
    return (pool:submit(fn, ...))
  end,
  pool_map = function(fn, arg) return (goroutine.pool_map("refusals", { arg == nil and 1 or arg }, fn)) end,
}
goroutine.pool_create("refusals", { workers = 2, priority = true })

for name, start in pairs(starters) do
  test(name .. " refuses a captured file, and nothing has run", function()
    local ran = goroutine.atomic_int()
    local err = raises("cannot send upvalue 'file' " .. FILE, start, function()
      ran:add()
      return file
    end)
    -- Lua 5.1 counts tail calls as levels, and has no line for these.
    assert(err:match("refusals%.lua:%d+: cannot send") or _VERSION == "Lua 5.1" and not jit, err)
    equal(goroutine.wait_all(30000), true)
    equal(ran:load(), 0)
  end)

  test(name .. " refuses a coroutine as an argument, and nothing has run", function()
    local ran = goroutine.atomic_int()
    raises("(coroutine) to a goroutine", start, function() ran:add() end, thread)
    equal(goroutine.wait_all(30000), true)
    equal(ran:load(), 0)
  end)

  test(name .. " refuses a function that assigns to what it captured", function()
    local count, ran = 0, goroutine.atomic_int()
    local err = raises("assigns to a variable it captured", start, function()
      ran:add()
      count = count + 1
    end)
    contains(err, "'count'")
    equal(goroutine.wait_all(30000), true)
    equal(ran:load(), 0)
    equal(count, 0)
  end)
end

for _, name in ipairs({ "spawn", "async", "timeout", "scope", "pool_submit", "pool_async", "blocking", "context_run", "context_spawn" }) do
  test(name .. " looks through pcall at the function that is called", function()
    local count, ran = 0, goroutine.atomic_int()
    raises("'count'", starters[name], pcall, function()
      ran:add()
      count = count + 1
    end)
    raises("'count'", starters[name], xpcall, function() count = count + 1 end)
    equal(goroutine.wait_all(30000), true)
    gives(values(0, 0), ran:load(), count)
  end)
end

test("only what pcall and xpcall call is the started function, not their other arguments", function()
  local count = 0
  local function write(n)
    count = count + 1
    return count, n
  end
  raises("'count'", async, pcall, pcall, write)
  raises("'count'", async, pcall, xpcall, write, print)
  raises("'count'", async, xpcall, pcall, print, write)
  gives(values(true, true, 1, 5), await(async(pcall, function(f, n) return f(n) end, write, 5)))
  equal((await(async(pcall))), false) -- which is pcall's own error
  equal(count, 0)
end)

for _, name in ipairs({ "spawn", "async", "timeout", "scope", "pool_submit", "pool_async", "blocking", "context_run", "context_spawn" }) do
  test(name .. " refuses a handler of xpcall that assigns to what it captured", function()
    local failed, ran = nil, goroutine.atomic_int()
    local function handler(err)
      failed = err
      return err
    end
    raises("'failed'", starters[name], xpcall, function() ran:add() end, handler)
    raises("'failed'", starters[name], pcall, xpcall, function() ran:add() end, handler)
    raises("'failed'", starters[name], xpcall, xpcall, handler, print, handler)
    equal(goroutine.wait_all(30000), true)
    gives(values(0, nil), ran:load(), failed)
  end)
end

test("all functions that a library's function is given to call are started functions", function()
  local count = 0
  local function write(a, b)
    count = count + 1
    return a and b and a < b
  end
  local function less(a, b) return a < b end
  raises("'count'", async, table.sort, { 3, 1, 2 }, write)
  raises("'count'", async, table.sort, { write, write }, write)
  raises("'count'", async, pcall, table.sort, { 3, 1, 2 }, write)
  raises("'count'", async, string.gsub, "text", "t", write)
  raises("'count'", async, coroutine.wrap, write)
  raises("'count'", async, load or loadstring, write)
  raises("'count'", async, goroutine.timeout, 50, write)
  raises("'count'", async, goroutine.timeout, 50, pcall, write)
  raises("'count'", async, goroutine.retry, { max_attempts = 2 }, write)
  raises("'count'", async, goroutine.pool_map, "refusals", { 1, 2 }, pcall, write)
  raises("'count'", async, goroutine.scope, xpcall, less, write)
  equal(count, 0)
  -- Those that write nothing may be given, and those that do may be given on.
  gives(values(true, "-ex-", 2), await(async(string.gsub, "text", "t", function() return "-" end)))
  gives(values(true, true, true), await(async(goroutine.timeout, 30000, function(f) return f(1, 2) end, write)))
  gives(values(true, true, true, true), await(async(goroutine.timeout, 30000, pcall, function(f) return f(1, 2) end, write)))
  equal(await(async(table.sort, { 3, 1, 2 }, less)), true)
  equal(count, 0)
end)

test("what a Lua function is given is a helper of its, with a state of its own, as what it captured is", function()
  local function ids()
    local last = 0
    return function()
      last = last + 1
      return last
    end
  end
  local given, captured = ids(), ids()
  equal(given(), 1)
  local handles = {}
  for i = 1, 3 do handles[i] = async(function(next_id) return next_id(), next_id(), captured(), captured() end, given) end
  for i = 1, 3 do gives(values(true, 2, 3, 1, 2), await(handles[i])) end
  gives(values(2, 1), given(), captured())
end)

test("the stages of a pipeline are started functions", function()
  local count, input = 0, goroutine.channel(1)
  local function pass(v) return v end
  local function write(v)
    count = count + v
    return v
  end
  raises("'count'", goroutine.pipeline, input, { { fn = write } })
  raises("'count'", goroutine.pipeline, input, { { fn = pass }, { fn = write, workers = 2 } })
  raises("cannot send upvalue 'file' " .. FILE, goroutine.pipeline, input, { { fn = function() return file end } })
  -- Nothing was started, and nothing closed.
  input:send(1)
  gives(values(1, true), input:receive())
  equal(count, 0)
end)

test("what every isolate begins with is a started function", function()
  local count = 0
  raises("'count'", goroutine.configure, { on_start = function() count = count + 1 end })
end)

test("the path names upvalues, fields, indices and arguments", function()
  local cfg = { log = { file = file } }
  raises("cannot send upvalue 'cfg'.log.file " .. FILE, spawn, function() return cfg end)
  local list = { { 1, { handle = file } } }
  raises("upvalue 'list'[1][2].handle " .. FILE, async, function() return list end)
  raises("argument 1 " .. FILE, async, print, file)
  raises("argument 3[2].x " .. FILE, async, print, 1, 2, { 0, { x = file } })
  raises("argument 1[true][false][1.5] " .. FILE, async, print, { [true] = { [false] = { [1.5] = file } } })
  local odd = { ["two words"] = file }
  contains(raises(FILE, async, function() return odd end), '["two words"]')
end)

test("the path goes through functions that functions captured", function()
  local function inner() return file end
  local function outer() return inner() end
  local err = raises(FILE, async, function() return outer() end)
  contains(err, "upvalue 'outer'")
  contains(err, "upvalue 'inner'")
  contains(err, "upvalue 'file'")
end)

test("values sent through channels are refused in the same words", function()
  local channel = goroutine.channel(1)
  contains(raises(FILE, channel.send, channel, { log = file }), "log")
  contains(raises("coroutine", channel.send, channel, { { thread } }), "[1][1]")
  equal(channel:len(), 0)
end)

test("what is stored in a shared table is refused with the way to it, and so is what a goroutine gives", function()
  local shared = goroutine.shared()
  local file_there = FILE:gsub(" to a goroutine.*", "")
  contains(raises(file_there, goroutine.shared, { { deep = { [true] = { file } } } }), "the value[1].deep[true][1] ")
  contains(raises(file_there, function() shared.x = { a = { ["b c"] = file } } end), 'the value.a["b c"] ')
  raises("cannot send the value (coroutine) to a goroutine: create it inside", function() shared.x = thread end)
  equal(shared.x, nil)
  local ok, err = await(async(function() return 1, { open = io.tmpfile() } end))
  equal(ok, false)
  contains(err, "cannot send result 2.open " .. file_there .. " out of a goroutine: give what is in it, or use a channel")
  ok, err = await(async(function() return ("a"):gmatch(".") end))
  equal(ok, false)
  contains(err, "cannot send the result (C function of no loaded module) out of a goroutine: give what it returns")
end)

test("a file deep in a metatable is found as well", function()
  local object = setmetatable({}, { __index = { handle = file } })
  raises(FILE, async, function() return object end)
end)

everywhere("a refusal leaves everything as it was", function()
  for _ = 1, 50 do
    local co = coroutine.create(function() end)
    equal(pcall(async, function() return co end), false)
  end
  gives(values(true, "still works"), await(async(function() return "still works" end)))
end)

test("the line of the assignment is named, and what to use instead", function()
  local total = 0
  local fn = function(n)
    local x = n * 2
    total = total + x
  end
  local err = raises("'total'", spawn, fn, 1)
  local line = debug.getinfo(fn, "S").linedefined + 2
  contains(err, "refusals.lua:" .. line)
  for _, instead in ipairs({ "goroutine.shared", "atomic_int", "channel", "return value", "goroutine.local" }) do
    contains(err, instead)
  end
end)

test("an assignment in a function inside it counts as its own", function()
  local total = 0
  raises("'total'", spawn, function()
    local function add() total = total + 1 end
    add()
  end)
  raises("'total'", spawn, function()
    return function() return function() total = 5 end end
  end)
  equal(total, 0)
end)

test("every way to assign is seen", function()
  local a, b, f, word = 1, 2, nil, "old"
  raises("'a'", spawn, function() a, b = b, a end)
  raises("'f'", spawn, function() function f() end end)
  raises("'b'", spawn, function() for i = 1, 3 do b = i end end)
  raises("'a'", spawn, function() if b then return else a = nil end end)
  raises("'a'", spawn, function(...) a = ... end)
  raises("'a'", spawn, function() a = 1.5 end)
  raises("'b'", spawn, function() b = false end)
  raises("'word'", spawn, function() word = "new" end)
  raises("'word'", spawn, function() word = word .. a .. b end)
  raises("'f'", spawn, function() f = function() return f end end)
  raises("'f'", spawn, function() f = { a, b } end)
  raises("'b'", spawn, function() while b do b = nil end end)
  raises("'b'", spawn, function() repeat b = a until b end)
  raises("'b'", spawn, function(list) for _, value in pairs(list) do b = value end end)
  raises("'a'", spawn, function() other_global, a = 1, 2 end)
  raises("'a'", spawn, function() pcall(function() a = 1 end) end)
  gives(values(1, 2, nil, "old"), a, b, f, word)
end)

test("the first of several assignments is named, by its line", function()
  local a, b
  local fn = function()
    local read = b
    if read then
      b = 1
    end
    b = 2
    a = 3
  end
  local err = raises("'b'", spawn, fn)
  contains(err, "refusals.lua:" .. debug.getinfo(fn, "S").linedefined + 3)
end)

test("a parameter of a function around it and a variable of a loop are captured, too", function()
  local function counter(start)
    return function()
      start = start + 1
      return start
    end
  end
  raises("'start'", spawn, counter(1))
  for i = 1, 2 do
    local each = i
    raises("'each'", spawn, function() each = 0 end)
  end
end)

test("a function that names itself may not assign itself", function()
  local function again()
    again = nil
  end
  raises("'again'", spawn, again)
end)

test("variables of its own that have the name of one outside are no matter", function()
  local n, list = 1, {}
  local function runs(wanted, fn, ...)
    gives(values(true, wanted), await(async(fn, ...)))
  end
  runs(2, function(n) n = n + 1 return n end, 1)
  runs(3, function() local n = n; n = n + 2 return n end)
  runs(45, function()
    local sum = n - 1
    for n = 1, 9 do sum = sum + n end
    return sum
  end)
  runs("b", function()
    local last
    for n in ("ab"):gmatch(".") do last = n end
    return last
  end)
  runs(7, function()
    do
      local n = 5
      local function set() n = 7 end
      set()
      list.n = n
    end
    return list.n
  end)
  runs(1, function()
    local function f(n) n = 9 return n end
    f(n)
    return n
  end)
  runs(4, function()
    list.n, list[1] = 4, 5
    function list.f() end
    return list.n
  end)
  gives(values(1, nil), n, list.n)
end)

test("assigning to variables of its own is no matter", function()
  local outside = 1
  gives(values(true, 6), await(async(function()
    local sum = outside
    local function add(n) sum = sum + n end
    add(2)
    add(3)
    return sum
  end)))
end)

test("changing what a captured table holds is no assignment", function()
  local list = { 1 }
  gives(values(true, 2), await(async(function()
    list[1] = list[1] + 1
    return list[1]
  end)))
  equal(list[1], 1)
end)

test("a helper that it captured may keep state of its own", function()
  local count = 0
  local function helper()
    count = count + 1
    return count
  end
  gives(values(true, 2), await(async(function()
    helper()
    return helper()
  end)))
  equal(count, 0)
end)

test("a function given as an argument may assign to what it captured", function()
  local count = 0
  gives(values(true, 1), await(async(function(f) return f() end, function()
    count = count + 1
    return count
  end)))
  equal(count, 0)
end)

test("assigning to globals is no matter", function()
  gives(values(true, 5), await(async(function()
    assigned_inside = 5
    return assigned_inside
  end)))
  equal(assigned_inside, nil)
end)

test("a C function of no module is refused", function()
  -- What gmatch returns is a function written in C that no module has.
  local matcher = ("a b"):gmatch("%a")
  raises("upvalue 'matcher' (C function of no loaded module) to a goroutine: make it inside", async, function() return matcher() end)
  raises("C function", async, matcher)
  -- At home, where it is Lua's own.
  raises("argument 1 (C function of no loaded module) to a goroutine: make it inside", async, print, coroutine.wrap(function() end))
end)

test("standard streams travel, being named in io", function()
  gives(values(true, true), await(async(function(stream) return stream == io.stdout end, io.stdout)))
end)

goroutine.pool_close("refusals")

test("what coroutine.wrap has made is called that, and not by what it holds", function()
  local ok, err = await(async(function() return { 1, coroutine.wrap(function() end) } end))
  equal(ok, false)
  contains(err, "cannot send the result[2] (function that coroutine.wrap has made) out of a goroutine: give what it returns")
end)

finish()
