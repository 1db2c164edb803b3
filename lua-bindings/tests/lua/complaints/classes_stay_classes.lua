-- "I send an object and it has lost its methods. Or it has them, and `getmetatable(object) == Class` is false ever after, so that
-- no `isinstance` and no `==` holds."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["objects keep methods and ancestors, there and back"] = "nothing is copied",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

Animal = {}
Animal.__index = Animal
Animal.__eq = function(a, b) return a.name == b.name end
function Animal.new(class, name) return setmetatable({ name = name }, class) end
function Animal:speak() return self.name .. self:sound() end
function Animal:is(class)
  local own = getmetatable(self)
  while own and own ~= class do own = getmetatable(own) end
  return own == class
end

Dog = setmetatable({ __eq = Animal.__eq }, Animal)
Dog.__index = Dog
function Dog:sound() return " says woof" end

everywhere("objects keep methods and ancestors, there and back", function()
  local rex = Dog:new("Rex")
  local ok, said, there, back, other = await(async(function(dog)
    return dog:speak(), dog:is(Dog) and dog:is(Animal) and getmetatable(dog) == Dog, dog, Dog:new("Bello")
  end, rex))
  gives(values(true, "Rex says woof", true), ok, said, there)
  assert(getmetatable(back) == Dog and back:is(Animal) and back ~= other)
  assert(not rawequal(back, rex) and back == rex, "a copy, and equal by __eq")
  equal(getmetatable(other), Dog)
  equal(other:speak(), "Bello says woof")
end)

everywhere("through many hands, and many times", function()
  local channel = goroutine.channel(10)
  for i = 1, 10 do channel:send(Dog:new("dog " .. i)) end
  for _ = 1, 50 do
    await(async(function()
      local dog = channel:receive()
      assert(getmetatable(dog) == Dog and dog:is(Animal))
      channel:send(dog)
    end))
  end
  channel:close()
  local count = 0
  for dog in channel:iter() do
    equal(getmetatable(dog), Dog)
    count = count + 1
  end
  equal(count, 10)
end)

everywhere("an error that is an object is caught by its class", function()
  local NotFound = {}
  NotFound.__index = NotFound
  NotFound.__tostring = function(self) return "not found: " .. self.what end
  local ok, err = await(async(function() error(setmetatable({ what = "key" }, NotFound)) end))
  gives(values(false, true, "not found: key"), ok, getmetatable(err) == NotFound, tostring(err))
end)

finish()
