-- Instances of classes in the styles of the usual libraries: what they are instances of, they stay, on every way.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["*: an instance there and back, changed on the way"] = "nothing is copied",
  ["*: instances with a function in a field are copies like others"] = "nothing is copied",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

-- The style of middleclass: methods in a dictionary of the instances, which is their metatable; statics apart; a class can be
-- called; instances name their class in a field.
local function middle(name, super)
  local dict = {}
  dict.__index = dict
  local class = { name = name, super = super, static = {}, __dict = dict, __declared = {}, subclasses = setmetatable({}, { __mode = "k" }) }
  if super then
    setmetatable(dict, { __index = super.__dict })
    setmetatable(class.static, { __index = function(_, key)
      local own = rawget(dict, key)
      if own == nil then return super.static[key] end
      return own
    end })
    super.subclasses[class] = true
  else
    setmetatable(class.static, { __index = function(_, key) return rawget(dict, key) end })
  end
  setmetatable(class, {
    __index = class.static,
    __tostring = function() return "class " .. name end,
    __call = function(self, ...)
      local object = setmetatable({ class = self }, self.__dict)
      object:initialize(...)
      return object
    end,
    __newindex = function(self, key, value)
      self.__declared[key] = value
      dict[key] = value
      for sub in pairs(self.subclasses) do
        if rawget(sub.__declared, key) == nil then sub.__dict[key] = value end
      end
    end,
  })
  if not super then
    class.isInstanceOf = function(self, wanted)
      local own = self.class
      while own do
        if own == wanted then return true end
        own = own.super
      end
      return false
    end
  end
  dict.__tostring = function(self) return "instance of " .. tostring(self.class) end
  return class
end

-- The style of 30log: a class is the metatable of its instances and their __index; a metatable of its own makes it callable.
local function thirty(name, super)
  local class = { name = name, super = super, mixins = {} }
  class.__index = class
  class.__tostring = function(self) return "instance of " .. name .. " (" .. self.class.name .. ")" end
  class.class = class
  function class.instanceOf(self, wanted)
    local own = getmetatable(self)
    while own do
      if own == wanted then return true end
      own = rawget(own, "super")
    end
    return false
  end
  return setmetatable(class, {
    __index = super,
    __tostring = function() return "class " .. name end,
    __call = function(self, ...)
      local object = setmetatable({}, self)
      object:init(...)
      return object
    end,
  })
end

-- The style of classic: a class is the metatable of its instances and of the classes that extend it; __call is copied down.
local Object = {}
Object.__index = Object
function Object:extend()
  local class = {}
  for key, value in pairs(self) do
    if key:find("__") == 1 then class[key] = value end
  end
  class.__index = class
  class.super = self
  return setmetatable(class, self)
end
function Object:is(wanted)
  local own = getmetatable(self)
  while own do
    if own == wanted then return true end
    own = getmetatable(own)
  end
  return false
end
function Object:__call(...)
  local object = setmetatable({}, self)
  object:new(...)
  return object
end

-- The style of Penlight: a class is its instances' metatable, inherits by copying, knows its base, and checks by functions.
local function pen(base)
  local class, meta = {}, {}
  for key, value in pairs(base or {}) do class[key] = value end
  class.__index = class
  class._class = class
  class._base = base
  function class.is_a(self, wanted)
    local own = getmetatable(self)
    while own do
      if own == wanted then return true end
      own = rawget(own, "_base")
    end
    return false
  end
  function class.class_of(object) return type(object) == "table" and object.is_a ~= nil and object:is_a(class) end
  meta.__call = function(_, ...)
    local object = setmetatable({}, class)
    class._init(object, ...)
    return object
  end
  return setmetatable(class, meta)
end

local styles = {}

do
  local Animal = middle("Animal")
  function Animal:initialize(name) self.name = name end
  function Animal:says() return self.name .. " says " .. self:sound() end
  local Dog = middle("Dog", Animal)
  function Dog:sound() return "woof" end
  styles.middleclass = { Animal, Dog, is = function(object, class) return object:isInstanceOf(class) end, meta = function(class) return class.__dict end }
end

do
  local Animal = thirty("Animal")
  function Animal:init(name) self.name = name end
  function Animal:says() return self.name .. " says " .. self:sound() end
  local Dog = thirty("Dog", Animal)
  function Dog:sound() return "woof" end
  styles.thirtylog = { Animal, Dog, is = function(object, class) return object:instanceOf(class) end }
end

do
  local Animal = Object:extend()
  function Animal:new(name) self.name = name end
  function Animal:says() return self.name .. " says " .. self:sound() end
  local Dog = Animal:extend()
  function Dog:sound() return "woof" end
  styles.classic = { Animal, Dog, is = function(object, class) return object:is(class) end }
end

do
  local Animal = pen()
  function Animal:_init(name) self.name = name end
  function Animal:says() return self.name .. " says " .. self:sound() end
  local Dog = pen(Animal)
  function Dog:sound() return "woof" end
  styles.penlight = {
    Animal, Dog, is = function(object, class) return object:is_a(class) and class.class_of(object) end,
  }
end

-- Without any library: constructors that are fields, or functions beside a metatable.
do
  local Animal = {}
  Animal.__index = Animal
  function Animal.make(class, name) return setmetatable({ name = name }, class) end
  function Animal:says() return self.name .. " says " .. self:sound() end
  local Dog = setmetatable({}, { __index = Animal })
  Dog.__index = Dog
  function Dog:sound() return "woof" end
  styles.plain = {
    Animal, Dog,
    is = function(object, class)
      local own = getmetatable(object)
      while own do
        if own == class then return true end
        own = (getmetatable(own) or {}).__index
      end
      return false
    end,
    new = function(class, name) return class:make(name) end,
  }
end

local function call(class, name) return class(name) end

for name, style in pairs(styles) do
  local Animal, Dog, is = style[1], style[2], style.is
  local new = style.new or call
  local function check(object, owner)
    equal(is(object, Dog), true, "an instance of its class")
    equal(is(object, Animal), true, "an instance of its base")
    equal(object:says(), object.name .. " says woof")
    if owner then equal(getmetatable(object), owner) end
  end
  local owner = style.meta and style.meta(Dog) or Dog

  everywhere(name .. ": an instance made in a goroutine", function()
    local got = run(function(text) return new(Dog, text) end, "rex")
    check(got, owner)
  end)

  everywhere(name .. ": an instance there and back, changed on the way", function()
    local rex = new(Dog, "rex")
    local got = run(function(dog)
      check(dog)
      dog.name = "max"
      dog.age = 3
      return dog
    end, rex)
    check(got, owner)
    gives(values("max", 3, "rex", nil), got.name, got.age, rex.name, rex.age)
  end)

  everywhere(name .. ": the class itself there and back, and as a result", function()
    gives(values(Dog, Animal), run(function(a, b) return a, b end, Dog, Animal))
    equal(run(function() return Dog end), Dog)
    equal(run(function() return { Dog } end)[1], Dog)
  end)

  everywhere(name .. ": through channels to a goroutine that captured the class", function()
    local there, back = goroutine.channel(), goroutine.channel()
    local handle = async(function()
      local seen = {}
      there:range(function(dog)
        assert(is(dog, Dog) and is(dog, Animal), "not an instance here")
        assert(rawequal(getmetatable(dog), getmetatable(new(Dog, "other"))), "another metatable")
        seen[#seen + 1] = dog
        back:send(dog)
      end)
      back:close()
      return seen
    end)
    for i = 1, 5 do
      there:send(new(Dog, "dog " .. i))
      local dog = back:receive()
      check(dog, owner)
      equal(dog.name, "dog " .. i)
    end
    there:close()
    local ok, seen = await(handle)
    assert(ok, seen)
    equal(#seen, 5)
    for _, dog in ipairs(seen) do check(dog, owner) end
  end)

  everywhere(name .. ": from one goroutine to another, neither of which is home", function()
    local ch = goroutine.channel(1)
    local sender = async(function() ch:send(new(Dog, "sent")) end)
    local receiver = async(function()
      local dog = ch:receive()
      check(dog)
      return dog
    end)
    assert(await(sender))
    check(select(2, await(receiver)), owner)
  end)

  everywhere(name .. ": to a goroutine that has not got the class", function()
    local ch = goroutine.channel(2)
    local receiver = async(function()
      local first, second = ch:receive(), ch:receive()
      assert(rawequal(getmetatable(first), getmetatable(second)), "two classes out of one")
      return first:says(), second
    end)
    ch:send(new(Dog, "first"))
    ch:send(new(Dog, "second"))
    local ok, says, second = await(receiver)
    assert(ok, says)
    equal(says, "first says woof")
    check(second, owner)
  end)

  everywhere(name .. ": raised as an error", function()
    local ok, err = await(async(function() error(new(Dog, "err")) end))
    equal(ok, false)
    check(err, owner)
    equal(err.name, "err")
  end)

  everywhere(name .. ": results of a pool", function()
    local pool = fresh_name()
    goroutine.pool_create(pool, { workers = 3 })
    local dogs = goroutine.pool_map(pool, { "a", "b", "c", "d", "e" }, function(text) return new(Dog, text) end)
    goroutine.pool_close(pool)
    equal(#dogs, 5)
    for i, dog in ipairs(dogs) do
      check(dog, owner)
      equal(dog.name, ("abcde"):sub(i, i))
    end
  end)

  everywhere(name .. ": instances with a function in a field are copies like others", function()
    local dog = new(Dog, "rex")
    dog.count = 1
    dog.on_bark = function(self) return self.count end
    local got = run(function(d)
      d.count = d.count + 1
      return d
    end, dog)
    assert(got ~= dog, "the very instance came back")
    check(got, owner)
    gives(values(1, 2, 2), dog.count, got.count, got:on_bark())
  end)
end

finish()
