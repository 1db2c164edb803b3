-- What arrives of values: arguments, captured variables, results, what channels carry.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["the same table twice is one table"] = "arguments and results are not copied",
  ["a weak table is weak on arrival"] = "arguments and results are not copied",
  ["changing a copy changes nobody else's"] = "nothing is copied",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- There and back, as an argument and a result.
local function echo(value)
  local ok, got = await(async(function(v) return v end, value))
  assert(ok, got)
  return got
end

-- There as a captured variable, back through a channel.
local function carried(value)
  local channel = goroutine.channel(1)
  local ok, err = await(async(function() channel:send(value) end))
  assert(ok, err)
  return (channel:receive())
end

-- One test, once by either way; the marks are for the first.
local function both(name, fn)
  if not skipped(name) then
    everywhere(name .. ", as argument and result", function() fn(echo) end)
  end
  everywhere(name .. ", captured and sent", function() fn(carried) end)
end

both("plain values arrive as they are", function(ship)
  for _, value in ipairs({ true, false, 0, 1, -1, 127, 128, 255, 256, -129, 65536, 2 ^ 31, -2 ^ 31, 2 ^ 53, "", "text", "\0", "ä" }) do
    equal(ship(value), value)
  end
  equal(ship(nil), nil)
end)

both("floats arrive bit by bit", function(ship)
  for _, value in ipairs({ 0.1, -0.1, 1e300, -1e-300, 5e-324, 1 / 3, math.pi, math.huge, -math.huge, 2 ^ 53 + 2, 1e15 }) do
    equal(ship(value), value)
  end
end)

both("minus zero stays minus zero", function(ship)
  -- Computed: Lua 5.1 takes 0.0 and -0.0 in a function for the same constant.
  local nothing = 0.0
  local minus = nothing * -1
  local zero = ship(minus)
  equal(zero, minus)
  equal(1 / zero, -math.huge)
  equal(1 / ship(nothing), math.huge)
end)

both("a NaN stays one", function(ship)
  local nan = ship(0 / 0)
  equal(type(nan), "number")
  assert(nan ~= nan)
  local list = ship({ 0 / 0, 1 })
  assert(list[1] ~= list[1])
end)

if math.type then
  both("integers and floats stay apart", function(ship)
    for _, value in ipairs({ 1, 1.0, math.maxinteger, math.mininteger, 2 ^ 63, -2 ^ 63, 0, 0.0 }) do
      equal(ship(value), value)
      equal(math.type(ship({ value })[1]), math.type(value))
    end
    local keyed = ship({ [2 ^ 53] = "a", [math.maxinteger] = "b", [0.5] = "c" })
    equal(keyed[2 ^ 53], "a")
    equal(keyed[math.maxinteger], "b")
    equal(keyed[0.5], "c")
  end)
end

both("every byte, zero too, and any length of a string", function(ship)
  local all = {}
  for i = 0, 255 do all[#all + 1] = string.char(i) end
  local text = table.concat(all)
  equal(ship(text), text)
  for _, length in ipairs({ 39, 40, 41, 127, 128, 16383, 16384, 70000 }) do
    local long = ("x"):rep(length - 1) .. "\0"
    equal(ship(long), long)
  end
  same(ship({ ["a\0b"] = 1, ["a\0c"] = 2 }), { ["a\0b"] = 1, ["a\0c"] = 2 })
end)

both("a string of 10 MB", function(ship)
  local big = ("0123456789abcdef"):rep(scaled(640 * 1024))
  equal(#big, scaled(640 * 1024) * 16)
  assert(ship(big) == big)
end)

both("a table with a list, named fields, other keys", function(ship)
  local value = {
    1, "two", { 3 }, false,
    name = "n", [true] = "yes", [false] = "no", [-1] = "minus", [1.5] = "half", [""] = "empty",
    nested = { deeper = { deepest = { 1, 2, 3 } } },
  }
  same(ship(value), value)
end)

both("empty tables are separate tables", function(ship)
  local got = ship({ {}, {} })
  same(got, { {}, {} })
  assert(got[1] ~= got[2])
end)

both("holes stay holes", function(ship)
  local got = ship({ 1, nil, 3, nil, nil, 6, n = 7 })
  equal(got[1], 1)
  equal(got[2], nil)
  equal(got[3], 3)
  equal(got[6], 6)
  equal(got[7], nil)
  equal(got.n, 7)
  local list = {}
  for i = 1, 100 do list[i] = i end
  for i = 2, 100, 2 do list[i] = nil end
  local thin = ship(list)
  for i = 1, 100 do equal(thin[i], i % 2 == 1 and i or nil) end
end)

both("a list keeps its length and can grow", function(ship)
  local list = {}
  for i = 1, 1000 do list[i] = i end
  local got = ship(list)
  equal(#got, 1000)
  got[#got + 1] = "more"
  equal(#got, 1001)
  equal(ship({ nil, nil, 3 })[3], 3)
end)

both("the same table twice is one table", function(ship)
  local shared = { 1 }
  local got = ship({ a = shared, b = shared, list = { shared, shared } })
  equal(got.a, got.b)
  equal(got.list[1], got.a)
  equal(got.list[2], got.a)
  got.a[1] = "changed"
  equal(got.b[1], "changed")
  equal(shared[1], 1)
end)

both("cycles", function(ship)
  local a = { name = "a" }
  a.self = a
  a.b = { back = a, name = "b" }
  local got = ship(a)
  equal(got.self, got)
  equal(got.b.back, got)
  equal(got.b.name, "b")
end)

both("a table as a key, its own key too", function(ship)
  local key = { "key" }
  local value = { [key] = "value", key = key }
  value[value] = "self"
  local got = ship(value)
  equal(got[got.key], "value")
  equal(got.key[1], "key")
  equal(got[got], "self")
end)

both("metatables come along, shared ones stay shared", function(ship)
  local meta = { __index = function(_, key) return key .. "!" end, __call = function(_, n) return n + 1 end }
  local got = ship({ setmetatable({}, meta), setmetatable({ own = 1 }, meta) })
  equal(got[1].anything, "anything!")
  equal(got[2].own, 1)
  equal(got[2](41), 42)
  equal(getmetatable(got[1]), getmetatable(got[2]))
end)

both("a class with methods and inheritance", function(ship)
  local Animal = {}
  Animal.__index = Animal
  function Animal.new(name) return setmetatable({ name = name }, Animal) end
  function Animal:speak() return self.name .. " says " .. self:sound() end
  local Dog = setmetatable({}, { __index = Animal })
  Dog.__index = Dog
  function Dog.new(name) return setmetatable(Animal.new(name), Dog) end
  function Dog:sound() return "woof" end
  local got = ship(Dog.new("rex"))
  equal(got:speak(), "rex says woof")
  equal(getmetatable(getmetatable(got)).__index.new("x").name, "x")
end)

both("a table that is its own metatable", function(ship)
  local value = { __tostring = function(self) return "I am " .. self.name end, name = "myself" }
  setmetatable(value, value)
  local got = ship(value)
  equal(getmetatable(got), got)
  equal(tostring(got), "I am myself")
end)

both("metamethods are not called on the way", function(ship)
  local function never() error("called") end
  local value = setmetatable({ 1, a = 2 }, { __index = never, __newindex = never, __pairs = never, __len = never, __eq = never })
  local got = ship(value)
  equal(rawget(got, 1), 1)
  equal(rawget(got, "a"), 2)
  equal(type(getmetatable(got).__index), "function")
end)

both("a protected metatable protects on arrival, too", function(ship)
  local got = ship(setmetatable({}, { __metatable = "locked", __index = { field = 5 } }))
  equal(getmetatable(got), "locked")
  equal(got.field, 5)
  equal(pcall(setmetatable, got, {}), false)
end)

both("a weak table is weak on arrival", function(ship)
  local key = {}
  local got = ship({ weak = setmetatable({ [key] = 1 }, { __mode = "k" }), key = key })
  equal(got.weak[got.key], 1)
  equal(getmetatable(got.weak).__mode, "k")
  got.key = nil
  collect()
  equal(next(got.weak), nil)
end)

everywhere("a list 100,000 deep", function()
  local list
  local depth = scaled(100000, 2000)
  for i = 1, depth do list = { next = list, i = i } end
  local got = echo(list)
  for i = depth, 1, -1 do
    if got.i ~= i then error(i .. " expected, got " .. tostring(got.i)) end
    got = got.next
  end
  equal(got, nil)
end)

test("100,000 deep by metatables", function()
  local chain
  for _ = 1, scaled(100000, 2000) do chain = setmetatable({}, chain and { chain } or nil) end
  local got, depth = carried(chain), 0
  while got do
    depth = depth + 1
    local meta = getmetatable(got)
    got = meta and meta[1]
  end
  equal(depth, scaled(100000, 2000))
end)

both("1,000 deep by keys", function(ship)
  local keyed = "end"
  for _ = 1, 1000 do keyed = { [keyed] = true } end
  local got, depth = ship(keyed), 0
  while got ~= "end" do
    got, depth = next(got), depth + 1
  end
  equal(depth, 1000)
end)

everywhere("a table of 20,000 records", function()
  local records = {}
  for i = 1, scaled(20000, 500) do records[i] = { id = i, name = "record " .. i, even = i % 2 == 0 } end
  local got = echo(records)
  equal(#got, scaled(20000, 500))
  for i = 1, scaled(20000, 500), 37 do same(got[i], { id = i, name = "record " .. i, even = i % 2 == 0 }) end
end)

both("very many keys of one table, and very many tables shared", function(ship)
  local keys, leaves = {}, {}
  for i = 1, 300 do leaves[i] = { i } end
  for i = 1, 5000 do keys["key" .. i] = leaves[i % 300 + 1] end
  local got = ship(keys)
  for i = 1, 5000 do
    equal(got["key" .. i][1], i % 300 + 1)
    if i > 300 then equal(got["key" .. i], got["key" .. i - 300]) end
  end
end)

everywhere("changing a copy changes nobody else's", function()
  local record = { 1, inner = { 2 } }
  local handle = async(function(r)
    r[1] = "changed"
    r.inner[1] = "changed"
    r.more = true
    return r
  end, record)
  local _, got = await(handle)
  same(record, { 1, inner = { 2 } })
  same(got, { "changed", inner = { "changed" }, more = true })
  local _, again = await(handle)
  assert(got ~= again)
end)

everywhere("arguments that are one table arrive as one table", function()
  local shared = {}
  gives(values(true, true), await(async(function(a, b) return a == b end, shared, shared)))
  local channel = goroutine.channel()
  gives(values(true, true, true), await(async(function(a, b) return a == b, a == channel end, channel, channel)))
end)

everywhere("a result that is one table is one table, with arguments and captured variables", function()
  local shared = { name = "shared" }
  local ok, a, b = await(async(function(t)
    return t, { shared, t }
  end, shared))
  equal(ok, true)
  equal(a, b[2])
  equal(b[1].name, "shared")
  equal(b[1], a, "captured and given")
end)

finish()
