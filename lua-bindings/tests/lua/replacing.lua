-- `__goroutine` in a metatable: what is sent in the place of a value.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("nothing is copied, so nothing is replaced")
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

local function echo(...) return ... end

-- A logger that holds an open file, and is sent as its name.
local Logger = {}
Logger.__index = Logger
function Logger.__goroutine(self) return { logger = self.name } end
local function logger(name) return setmetatable({ name = name, file = io.tmpfile() }, Logger) end

everywhere("an argument, a captured variable, a field and a key are replaced", function()
  local own = logger("captured")
  same(run(function(given, nested)
    return { given.logger, own.logger, nested.deep[1].logger, (next(nested.keys)).logger, getmetatable(given) == nil }
  end, logger("given"), { deep = { logger("deep") }, keys = { [logger("key")] = true } }), { "given", "captured", "deep", "key", true })
end)

everywhere("what a channel carries, a result and an error are replaced", function()
  local ch = goroutine.channel(1)
  ch:send(logger("sent"))
  equal((ch:receive()).logger, "sent")
  equal(run(function() return logger("result") end).logger, "result")
  local ok, err = await(async(function() error(logger("raised")) end))
  gives(values(false, "raised"), ok, err.logger)
end)

everywhere("the same value twice is the same replacement, made once", function()
  local made = 0
  local one = setmetatable({}, { __goroutine = function()
    made = made + 1
    return { made = made }
  end })
  local ch = goroutine.channel(1)
  ch:send({ one, one, again = { one } })
  local got = ch:receive()
  equal(made, 1)
  equal(got[1], got[2])
  equal(got.again[1], got[1])
  ch:send(one)
  gives(values(2, 2), ch:receive().made, made)
end)

everywhere("a replacement of any kind, and nil", function()
  local function replaced(by)
    return run(echo, setmetatable({}, { __goroutine = function() return by end }))
  end
  local ch = goroutine.channel(1)
  for _, by in ipairs({ 1, 0.5, "text", true, false, ch, print }) do equal(replaced(by), by) end
  equal(replaced(nil), nil)
  equal(replaced(function() return 5 end)(), 5)
  local absent = setmetatable({}, { __goroutine = function() end })
  local got = run(function(t) return { t[1], t[2], t[3], n = 3 } end, { absent, absent, "third" })
  gives(values(nil, nil, "third"), got[1], got[2], got[3])
end)

everywhere("a replacement is not replaced again, also if it is the value itself", function()
  local calls = 0
  local meta = {}
  meta.__goroutine = function(self)
    calls = calls + 1
    self.prepared = calls
    return self
  end
  local thing = setmetatable({ x = 1 }, meta)
  local ch = goroutine.channel(1)
  ch:send({ thing, thing })
  local got = ch:receive()
  gives(values(1, 1, 1, true, meta), calls, got[1].x, got[1].prepared, got[1] == got[2], getmetatable(got[1]))
  local other = setmetatable({}, { __goroutine = function() return setmetatable({ y = 2 }, meta) end })
  ch:send(other)
  got = ch:receive()
  gives(values(2, meta, 1), got.y, getmetatable(got), calls)
end)

everywhere("what is in a replacement is replaced as anywhere", function()
  local outer = setmetatable({}, { __goroutine = function() return { logger("inner") } end })
  equal(run(echo, outer)[1].logger, "inner")
end)

everywhere("classes with __goroutine for their instances are classes, and instances of classes that inherit it are replaced", function()
  equal(run(function() return Logger end), Logger)
  local Sub = setmetatable({}, Logger)
  Sub.__index, Sub.__goroutine = Sub, Logger.__goroutine
  equal(run(echo, Sub), Sub)
  equal(run(echo, setmetatable({ name = "sub" }, Sub)).logger, "sub")
end)

everywhere("an error in it is a refusal with the path, and nothing has run", function()
  local ran = goroutine.atomic_int()
  local function broken(err) return setmetatable({}, { __goroutine = function() error(err, 0) end }) end
  local function start(value) return (async(function() ran:add() end, { cfg = { value } })) end
  raises("cannot send argument 1.cfg[1] to a goroutine: its __goroutine failed: not now", start, broken("not now"))
  raises("its __goroutine failed: (error object is a table value)", start, broken({}))
  local nothing = _VERSION == "Lua 5.5" and "<no error object>" or "its __goroutine failed: (error object is a nil value)"
  raises(nothing, start, broken(nil))
  local object = setmetatable({ code = 7 }, { __tostring = function(self) return "error " .. self.code end })
  raises("cannot send argument 1.cfg[1] to a goroutine: its __goroutine failed: error 7", start, broken(object))
  local worse = setmetatable({}, { __tostring = function() error("no text") end })
  raises("its __goroutine failed: (error object is a table value)", start, broken(worse))
  local captured = broken("captured")
  raises("cannot send upvalue 'captured' to a goroutine: its __goroutine failed: captured", async, function() return captured end)
  equal(goroutine.wait_all(30000), true)
  equal(ran:load(), 0)
  local ok, err = await(async(function()
    return { setmetatable({}, { __goroutine = function() error("on the way out", 0) end }) }
  end))
  equal(ok, false)
  contains(err, "cannot send the result[1] out of a goroutine: its __goroutine failed: on the way out")
  local key = setmetatable({}, { __goroutine = function() end })
  raises("it gave nil for a key", async, echo, { [key] = 1 })
end)

unless_lua("5.1", "where C code forbids to wait, the error is Lua's own")
test("a function that waits in it is told that it cannot; one that yields likewise", function()
  local ok, err = await(async(function()
    return setmetatable({}, { __goroutine = function() goroutine.sleep(1) end })
  end))
  equal(ok, false)
  contains(err, "its __goroutine failed")
  contains(err, "cannot wait")
  local ch = goroutine.channel(1)
  ok, err = coroutine.wrap(function()
    return pcall(ch.send, ch, setmetatable({}, { __goroutine = function() coroutine.yield() end }))
  end)()
  equal(ok, false)
  contains(err, "its __goroutine failed")
end)

everywhere("it may start goroutines and send values itself", function()
  local Shared = { name = "shared class" }
  Shared.__index = Shared
  local ch = goroutine.channel(10)
  local function nested(level)
    return setmetatable({}, { __goroutine = function()
      local handle = async(function(v) return v end, level > 0 and nested(level - 1) or "end")
      ch:send(setmetatable({ level = level }, Shared))
      return { handle, setmetatable({ "instance" }, Shared) }
    end })
  end
  local got, own = run(function(a, b) return a, b end, nested(3), setmetatable({}, Shared))
  equal(getmetatable(own), Shared)
  for level = 3, 0, -1 do
    equal(getmetatable(got[2]), Shared)
    local ok, inner = await(got[1])
    equal(ok, true)
    got = inner
  end
  equal(got, "end")
  ch:close()
  local levels = 0
  ch:range(function(sent)
    equal(getmetatable(sent), Shared)
    levels = levels + 1
  end)
  equal(levels, 4)
end)

everywhere("garbage made in it is not mistaken for what was sent", function()
  local list = {}
  for i = 1, 300 do
    list[i] = setmetatable({ i = i }, { __goroutine = function(self)
      if self.i % 50 == 0 then collectgarbage() end
      return { { self.i } }
    end })
  end
  local got = run(echo, list)
  for i = 1, 300 do equal(got[i][1][1], i) end
end)

test("a userdata of another library is replaced", function()
  local meta = debug.getmetatable(io.stdout)
  meta.__goroutine = function() return "a file" end
  local results = values(pcall(run, echo, io.tmpfile(), { io.tmpfile() }))
  meta.__goroutine = nil
  assert(results[1], results[2])
  gives(values("a file", "a file"), results[2], results[3][1])
end)

everywhere("a global is replaced, and one whose function fails is missed only if it is touched", function()
  replaced_global = logger("global")
  broken_global = setmetatable({}, { __goroutine = function() error("broken here", 0) end })
  gives(values("global", false), run(function()
    return replaced_global.logger, (pcall(function() return broken_global.x end))
  end))
  replaced_global, broken_global = nil, nil
end)

everywhere("it is called once, also where the value is refused", function()
  local calls = 0
  local refusing = setmetatable({}, { __goroutine = function()
    calls = calls + 1
    return coroutine.create(function() end)
  end })
  local failing = setmetatable({}, { __goroutine = function()
    calls = calls + 1
    error("no")
  end })
  local channel = goroutine.channel(5)
  for _, value in ipairs({ refusing, failing }) do
    for _, send in ipairs({
      function() goroutine.spawn(print, value) end,
      function() goroutine.async(print, value) end,
      function() channel:send(value) end,
      function() goroutine.timeout(1000, print, value) end,
    }) do
      calls = 0
      equal(pcall(send), false)
      equal(calls, 1)
    end
  end
end)

test("one that goes on giving values with one in turn is stopped", function()
  if scaled(2) == 1 then return end -- as many are made as there may be, which would take minutes
  local endless = {}
  endless.__goroutine = function() return { next = setmetatable({}, endless) } end
  local ch = goroutine.channel(1)
  local text = "its __goroutine failed: more than 250000 values within what such functions have given have one in turn"
  raises(text, ch.send, ch, setmetatable({}, endless))
  endless.__goroutine = function() return { setmetatable({}, endless), setmetatable({}, endless) } end
  raises(text, async, echo, setmetatable({}, endless))
  equal(ch:len(), 0)
end)

test("many that are no such thing are not counted", function()
  local meta = { __goroutine = function(self) return { self[1] } end }
  local list, many = {}, scaled(300000)
  for i = 1, many do list[i] = setmetatable({ i }, meta) end
  local ch = goroutine.channel(1)
  ch:send(list)
  equal((ch:receive())[many][1], many)
end)

everywhere("keys that become the same key are refused, and those that do not are not", function()
  local meta = { __goroutine = function(self) return self.by end }
  local function key(by) return setmetatable({ by = by }, meta) end
  local ch = goroutine.channel(1)
  local why = "its __goroutine failed: it gave for a key what another key of the table is, or becomes"
  raises(why, ch.send, ch, { [key(1)] = 1, [key(1)] = 2 })
  raises(why, ch.send, ch, { name = 1, [key("name")] = 2 })
  raises(why, ch.send, ch, { "first", [key(1)] = 2 })
  raises(why, ch.send, ch, { deep = { [key("a")] = 1, [key("a")] = 2 } })
  equal(ch:len(), 0)
  local once, twice = key("once"), key("twice")
  local function own() return setmetatable({}, { __goroutine = function(self) return self end }) end
  ch:send({ [once] = { [once] = 1 }, [twice] = { [twice] = 2, [own()] = 3 }, [own()] = once })
  local got = ch:receive()
  gives(values(1, 2), got.once.once, got.twice.twice)
end)

everywhere("values that are replaced by each other change places, as entries, as keys and wherever they come first", function()
  local meta = { __goroutine = function(self) return self.other end }
  local function pair()
    local a, b = setmetatable({ name = "a" }, meta), setmetatable({ name = "b" }, meta)
    a.other, b.other = b, a
    return a, b
  end
  local ch = goroutine.channel(1)
  local function sent(value)
    ch:send(value)
    return (ch:receive())
  end
  local a, b = pair()
  local got = sent({ a, b, { a, { b } } })
  gives(values("b", "a", "b", "a"), got[1].name, got[2].name, got[3][1].name, got[3][2][1].name)
  gives(values(true, true), got[1] == got[3][1], got[2] == got[3][2][1])
  local names, count = {}, 0
  for key, value in pairs(sent({ [a] = 1, [b] = 2 })) do names[key.name], count = value, count + 1 end
  gives(values(1, 2, 2), names.b, names.a, count)
  -- What they hold is replaced as anywhere.
  gives(values(got[1], got[2]), got[1].other, got[2].other)
  local x, y, z = {}, {}, {}
  for key, value in pairs({ [x] = y, [y] = z, [z] = x }) do key.other = setmetatable(value, meta) end
  x.name, y.name, z.name = "x", "y", "z"
  got, count = {}, 0
  for key, value in pairs(sent({ [x] = "x", [y] = "y", [z] = "z" })) do got[key.name], count = value, count + 1 end
  gives(values("z", "x", "y", 3), got.x, got.y, got.z, count)
end)

everywhere("a key that becomes one which stays what it is is refused, whichever comes first", function()
  local ch, why = goroutine.channel(1), "its __goroutine failed: it gave for a key what another key of the table is, or becomes"
  local function key(by) return setmetatable({}, { __goroutine = function(self) return by or self end }) end
  for _ = 1, 20 do
    local own = key()
    raises(why, ch.send, ch, { [own] = 1, [key(own)] = 2 })
    local class = setmetatable({}, { __goroutine = function() return "never" end })
    class.__index = class
    raises(why, ch.send, ch, { [class] = 1, [key(class)] = 2 })
    local told = goroutine.class(setmetatable({}, { __goroutine = function() return "never" end }))
    raises(why, ch.send, ch, { [told] = 1, [key(told)] = 2 })
  end
  equal(ch:len(), 0)
end)

everywhere("a key that becomes no key is refused where it is sent", function()
  local ch = goroutine.channel(1)
  local nan = setmetatable({}, { __goroutine = function() return 0 / 0 end })
  raises("its __goroutine failed: it gave NaN for a key", ch.send, ch, { [nan] = 1 })
  equal(ch:len(), 0)
end)

unless_lua("jit", "what is compiled is not interrupted")
test("a goroutine that is cancelled in such a function has been cancelled, wherever it was sending", function()
  local computing = goroutine.channel(10)
  local endless = { __goroutine = function()
    computing:try_send(true)
    while true do end
  end }
  local out = goroutine.channel(1)
  local ways = {
    function() out:send(setmetatable({}, endless)) end,
    function() goroutine.spawn(print, setmetatable({}, endless)) end,
    function() return setmetatable({}, endless) end,
    function() error(setmetatable({}, endless)) end,
  }
  for _, way in ipairs(ways) do
    local handle = goroutine.async(way)
    computing:receive()
    handle:cancel("why")
    local ok, err = handle:await(30000)
    gives(values(false, "cancelled: why", "cancelled"), ok, tostring(err), handle:status())
  end
end)

finish()
