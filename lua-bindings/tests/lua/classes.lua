-- What keeps its identity when it crosses and comes back, and what does not.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["tables that are no classes are copies, also with functions or a class in a field"] = "nothing is copied",
  ["counters that a class's methods share are one per goroutine, and one with the started function"] = "captured variables are shared",
  ["every goroutine has its own"] = "nothing is copied",
  ["a class changed after it first crossed"] = "nothing is copied",
  ["a class that nobody holds is collected, at home and in goroutines"] = "nothing is copied",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

local function echo(...) return ... end

-- A goroutine that gives back what is sent to it, and has captured nothing. It ends with its input.
local function mirror()
  local input, output = goroutine.channel(), goroutine.channel()
  async(function(from, to)
    from:range(function(value) to:send(value) end)
    to:close()
  end, input, output)
  return function(value)
    input:send(value)
    return (output:receive())
  end, function() input:close() end
end

everywhere("a metatable comes back as itself, whatever it holds", function()
  local bare = { __tostring = function() return "bare" end }
  local empty = {}
  local weak = { __mode = "k" }
  for _, meta in ipairs({ bare, empty, weak, setmetatable({}, { __index = {} }) }) do
    equal(getmetatable(run(echo, setmetatable({}, meta))), meta)
    equal(getmetatable(run(function() return setmetatable({}, meta) end)), meta)
  end
end)

everywhere("a metatable that nobody has used yet", function()
  local vector = { __add = function(a, b) return a.x + b.x end }
  local made = run(function(x) return setmetatable({ x = x }, vector) end, 3)
  equal(getmetatable(made), vector)
  equal(made + made, 6)
end)

everywhere("the methods' table, with a metatable beside it", function()
  local methods = { get = function(self) return self.x end }
  local meta = { __index = methods, __name = "thing" }
  local function new(x) return setmetatable({ x = x }, meta) end
  local got = run(function() return new(5) end)
  gives(values(meta, 5), getmetatable(got), got:get())
  equal(run(echo, methods), methods)
  equal(run(function() return methods end), methods)
end)

everywhere("what class() was given is the same thing after any number of ways", function()
  local token = goroutine.class({ "token" })
  equal(goroutine.class(token), token)
  gives(values(token, token), run(echo, token, token))
  local reflect, stop = mirror()
  equal(reflect(token), token)
  equal(reflect({ deep = { token } }).deep[1], token)
  equal(reflect({ [token] = 1 })[token], 1)
  stop()
  equal(run(function() return await(async(function() return token end)) and select(2, await(async(echo, token))) end), token)
end)

everywhere("class() inside a goroutine", function()
  local first, second = run(function()
    local made = goroutine.class({ made = "inside" })
    return made, { made }
  end)
  equal(second[1], first)
  -- From now on it has its identity here as well.
  equal(run(echo, first), first)
end)

everywhere("tables that are no classes are copies, also with functions or a class in a field", function()
  local Class = setmetatable({ __index = {} }, { __call = function() end })
  local meta = { __index = { method = function() end } }
  local callable = { __index = {}, __call = function() return "called" end }
  for what, value in pairs({
    ["a plain table"] = { x = 1 },
    ["functions without a metatable"] = { x = 1, f = function() end },
    ["an instance with a callback"] = setmetatable({ x = 1, f = function() end }, meta),
    ["an instance with its class in a field"] = setmetatable({ x = 1, class = Class, meta = meta }, meta),
    ["a callable instance"] = setmetatable({ x = 1, class = Class, class2 = callable }, callable),
    ["an instance that holds plain tables"] = setmetatable({ x = 1, list = { function() end } }, callable),
    ["one that has names alone"] = setmetatable({ x = "1" }, meta),
  }) do
    local got = run(function(v)
      v.x = 2
      return v
    end, value)
    assert(got ~= value, what .. " came back as itself")
    gives(values(2, true), got.x, value.x ~= 2)
    equal(getmetatable(got), getmetatable(value), what)
  end
end)

everywhere("what looks like a class is one: methods beside a metatable, no data", function()
  local Base = { greet = function() return "hello" end }
  local Derived = setmetatable({ name = "Derived", shout = function() return "HELLO" end }, { __index = Base })
  equal(run(echo, Derived), Derived)
  equal(run(function() return Derived end), Derived)
  local Called = setmetatable({ count = 0, make = function() end }, { __call = function() end })
  equal(run(function() return Called end), Called)
end)

everywhere("a table that is its own metatable", function()
  local own = { __tostring = function(self) return "I am " .. self.name end, name = "myself" }
  setmetatable(own, own)
  local got = run(echo, own)
  equal(got, own)
  equal(run(function(v) return tostring(v) .. tostring(getmetatable(v) == v) end, own), "I am myselftrue")
end)

everywhere("two tables that are each other's metatable", function()
  local one, two = { name = "one" }, { name = "two" }
  setmetatable(one, two)
  setmetatable(two, one)
  gives(values(one, two), run(function() return one, two end))
  gives(values(one, two), run(echo, one, two))
  gives(values(two, one), run(echo, two, one))
  equal(run(echo, one), one)
  equal(run(function() return { two } end)[1], two)
  local reflect, stop = mirror()
  equal(reflect(two), two)
  equal(reflect(one), one)
  stop()
end)

everywhere("classes that reach each other arrive once, whichever comes first", function()
  local A, B, C = { name = "A" }, { name = "B" }, { name = "C" }
  for _, class in ipairs({ A, B, C }) do class.__index = class end
  A.next, B.next, C.next = B, C, A
  A.all = { A, B, C }
  local reflect, stop = mirror()
  local first = reflect({ setmetatable({}, B) })
  local second = reflect({ A, C, setmetatable({}, C) })
  stop()
  equal(getmetatable(first[1]), B)
  gives(values(A, C, C), second[1], second[2], getmetatable(second[3]))

  local ch = goroutine.channel(3)
  local seen = async(function()
    local b, c, a = ch:receive(), ch:receive(), ch:receive()
    local mb, mc, ma = getmetatable(b), getmetatable(c), getmetatable(a)
    return mb.next == mc, mc.next == ma, ma.next == mb, ma.all[1] == ma, ma.all[2] == mb, ma.all[3] == mc
  end)
  ch:send(setmetatable({}, B))
  ch:send(setmetatable({}, C))
  ch:send(setmetatable({}, A))
  gives(values(true, true, true, true, true, true, true), await(seen))
end)

everywhere("a class arrives where its base is known already: that base is its base", function()
  local Base = { kind = "base" }
  Base.__index = Base
  local Derived = setmetatable({ kind = "derived" }, { __index = Base })
  Derived.__index = Derived
  Derived.super = Base
  Base.derived = Derived
  local ch = goroutine.channel(2)
  local seen = async(function()
    local base = getmetatable(ch:receive())
    local derived = getmetatable(ch:receive())
    return derived.super == base, getmetatable(derived).__index == base, base.derived == derived
  end)
  ch:send(setmetatable({}, Base))
  ch:send(setmetatable({}, Derived))
  gives(values(true, true, true, true), await(seen))

  -- Here the goroutine has got the base by itself, and the rest of the family comes later.
  local Root = { kind = "root" }
  Root.__index = Root
  local later = goroutine.channel(1)
  local handle = async(function()
    local leaf = getmetatable(later:receive())
    return leaf.super == Root, leaf.super.kind, Root.leaf
  end)
  local Leaf = { super = Root }
  Leaf.__index = Leaf
  later:send(setmetatable({}, Leaf))
  gives(values(true, true, "root", nil), await(handle))
end)

everywhere("a class too deep for its place", function()
  local Class = { "class" }
  Class.__index = Class
  local deep = Class
  for _ = 1, 200 do deep = { deep } end
  local got = run(function() return deep end)
  for _ = 1, 200 do got = got[1] end
  equal(got, Class)
  local chain, classes = nil, {}
  for i = 1, 300 do
    classes[i] = { super = classes[i - 1], i = i }
    classes[i].__index = classes[i]
  end
  got = run(function() return setmetatable({ "leaf" }, classes[300]) end)
  equal(getmetatable(got), classes[300])
  local reflect, stop = mirror()
  equal(getmetatable(reflect(setmetatable({}, classes[300]))), classes[300])
  equal(getmetatable(reflect(setmetatable({}, classes[7]))), classes[7])
  stop()
  local ch = goroutine.channel(2)
  local handle = async(function()
    local middle = getmetatable(ch:receive())
    local class, n = getmetatable(ch:receive()), 0
    local met = false
    while class do
      met = met or class == middle
      class, n = class.super, n + 1
    end
    return met, n
  end)
  ch:send(setmetatable({}, classes[150]))
  ch:send(setmetatable({}, classes[300]))
  gives(values(true, true, 300), await(handle))
end)

if math.type then
  everywhere("counters that a class's methods share are one per goroutine, and one with the started function", function()
    local count = 0
    local Counter = {}
    Counter.__index = Counter
    function Counter.new()
      count = count + 1
      return setmetatable({ number = count }, Counter)
    end
    function Counter.count() return count end
    local function total() return count end
    Counter.new()
    gives(values(2, 2, 2), run(function()
      local made = Counter.new()
      return made.count(), total(), made.number
    end))
    equal(count, 1)
    -- A stranger gets the class with what its methods share.
    local ch = goroutine.channel(1)
    local handle = async(function()
      local made = ch:receive()
      made.new()
      made.new()
      return made.count()
    end)
    ch:send(Counter.new())
    gives(values(true, 4), await(handle))
    equal(Counter.count(), 2)
  end)
end

everywhere("every goroutine has its own", function()
  local Class = { n = 0 }
  Class.__index = Class
  local handles = goroutine.spawn_many(20, function(id)
    goroutine.yield()
    Class.n = Class.n + id
    goroutine.yield()
    return Class.n == id, Class
  end)
  for _, handle in ipairs(handles) do gives(values(true, true, Class), await(handle)) end
  equal(Class.n, 0)
end)

everywhere("a class changed after it first crossed", function()
  local Class = { version = 1 }
  Class.__index = Class
  local reflect, stop = mirror()
  local instance = setmetatable({}, Class)
  equal(reflect(instance).version, 1)
  Class.version = 2
  local ch = goroutine.channel(1)
  local late = async(function() return ch:receive().version end)
  ch:send(instance)
  -- A start has the class as it is. A value comes with the class as it was when a value first needed it.
  equal(run(function() return instance.version end), 2)
  gives(values(true, 1), await(late))
  -- Who has the class keeps it: what comes home finds the one at home.
  equal(reflect(instance).version, 2)
  equal(run(function()
    Class.version = 3
    return setmetatable({}, Class)
  end).version, 2)
  stop()
end)

test("an error that is an instance keeps its class through pcall, timeout and scope", function()
  local Err = {}
  Err.__index = Err
  Err.__tostring = function(self) return "error " .. self.code end
  local function fail() error(setmetatable({ code = 7 }, Err)) end
  local _, err = goroutine.timeout(60000, fail)
  gives(values(Err, "error 7"), getmetatable(err), tostring(err))
  _, err = pcall(goroutine.scope, function(s) s:spawn(fail) end)
  gives(values(Err, "error 7"), getmetatable(err), tostring(err))
end)

everywhere("a class that holds what cannot travel is refused with the path, and one that is global is not touched", function()
  local Class = { log = { io.tmpfile() } }
  Class.__index = Class
  local ch = goroutine.channel(1)
  raises("cannot send the value.<metatable>.log[1] (userdata", ch.send, ch, setmetatable({}, Class))
  raises("cannot send the value.deep[2].log[1] (userdata", ch.send, ch, { deep = { 1, Class } })
  equal(ch:len(), 0)
  Class.log = nil
  ch:send(setmetatable({}, Class))
  equal(getmetatable(ch:receive()), Class)
end)

everywhere("a result that uses a global with such a class arrives all the same", function()
  local fn = run(function()
    noisy = setmetatable({}, { __index = { co = coroutine.create(function() end) } })
    quiet = 5
    return function(touch) return touch and noisy or quiet end
  end)
  noisy, quiet = nil, 6
  equal(fn(), 6)
  quiet = nil
end)

everywhere("closures and metatables of every single object", function()
  local got = {}
  local ch = goroutine.channel(10)
  local handle = async(function()
    for i = 1, 500 do
      ch:send(setmetatable({ i = i }, { __index = function(_, key) return key .. i end, __call = function() return i end }))
    end
    ch:close()
  end)
  ch:range(function(object) got[#got + 1] = object end)
  assert(await(handle))
  equal(#got, 500)
  for i, object in ipairs(got) do gives(values(i, "x" .. i, i), object.i, object.x, object()) end
end)

everywhere("a stream of instances does not carry the class again", function()
  local Class = { data = ("x"):rep(1e6) }
  Class.__index = Class
  function Class:get() return self.n end
  local ch = goroutine.channel(64)
  local many = scaled(20000)
  local handle = async(function()
    -- Whenever the class is written, so is this.
    local written = 0
    Class.counted = setmetatable({}, { __goroutine = function() written = written + 1 end })
    for i = 1, many do ch:send(setmetatable({ n = i }, Class)) end
    ch:close()
    return written
  end)
  local sum, n = 0, 0
  ch:range(function(object)
    if getmetatable(object) ~= Class then error("another class") end
    sum, n = sum + object:get(), n + 1
  end)
  gives(values(true, 1), await(handle))
  equal(n, many)
  assert(sum == many * (many + 1) / 2)
end)

test("a class that nobody holds is collected, at home and in goroutines", function()
  local weak = setmetatable({}, { __mode = "v" })
  local reflect, stop = mirror()
  do
    local Class = { data = ("x"):rep(1000) }
    Class.__index = Class
    weak[1] = Class
    weak[2] = reflect(setmetatable({}, Class))
    weak[3] = run(function() return { Class } end)[1]
    equal(weak[3], weak[1])
  end
  collect()
  gives(values(nil, nil, nil), weak[1], weak[2], weak[3])
  stop()

  -- Over there: what came in as a class is gone with the last instance.
  local ch, gone = goroutine.channel(), goroutine.channel()
  local handle = async(function()
    local seen = setmetatable({}, { __mode = "v" })
    seen[1] = getmetatable(ch:receive())
    assert(ch:receive() == "collect")
    for _ = 1, 3 do collectgarbage() end
    gone:send(seen[1] == nil)
    return getmetatable(ch:receive()).name
  end)
  local Class = { name = "class" }
  Class.__index = Class
  ch:send(setmetatable({}, Class))
  ch:send("collect")
  equal(gone:receive(), true)
  -- And can come anew.
  ch:send(setmetatable({}, Class))
  gives(values(true, "class"), await(handle))
end)

test("memory does not grow with the classes that were sent", function()
  local reflect, stop = mirror()
  local function send_many(n)
    for _ = 1, n do
      local Class = { data = { 1, 2, 3 } }
      Class.__index = Class
      function Class:get() return self.data end
      equal(getmetatable(reflect(setmetatable({}, Class))), Class)
      run(function() return Class end)
    end
    collect()
    return collectgarbage("count")
  end
  local before = send_many(200)
  local after = send_many(scaled(1000, 200))
  stop()
  assert(after < before + 300, before .. " KB before, " .. after .. " KB after")
end)

finish()
