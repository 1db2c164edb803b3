-- What only looks like a class: the same thing as long as nobody has changed it, and a copy with the changes from then on.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("nothing is copied")
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

local function echo(...) return ... end

-- A goroutine that does something with what is sent to it and sends it back. It ends with its input.
local function mirror(change)
  local input, output = goroutine.channel(), goroutine.channel()
  async(function(from, to, fn)
    from:range(function(value)
      if fn then fn(value) end
      to:send(value)
    end)
    to:close()
  end, input, output, change)
  return function(value)
    input:send(value)
    return (output:receive())
  end, function() input:close() end
end

-- An object made of closures, whose state is in what they have captured.
local function counter(start)
  local n = start
  return setmetatable({
    inc = function() n = n + 1 end,
    get = function() return n end,
  }, { __tostring = function(self) return "counter " .. self.get() end })
end

-- A function that remembers what it has given.
local function memoizer(fn)
  return setmetatable({ cache = {}, fn = fn, clear = function(self) self.cache = {} end }, {
    __call = function(self, x)
      if self.cache[x] == nil then self.cache[x] = self.fn(x) end
      return self.cache[x]
    end,
  })
end

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("an object of closures that was changed comes back with the change", function()
  local c = counter(5)
  local got = run(function()
    c.inc()
    return c
  end)
  assert(got ~= c, "the very object came back")
  gives(values(6, 5, "counter 6"), got.get(), c.get(), tostring(got))
  got.inc()
  gives(values(7, 5), got.get(), c.get())
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("sent again after a change at home it arrives as it is then", function()
  local c = counter(0)
  local reflect, stop = mirror()
  equal(reflect(c), c)
  c.inc()
  equal(reflect(c).get(), 1)
  for i = 2, 5 do
    c.inc()
    equal(reflect({ c })[1].get(), i)
  end
  stop()
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("from one goroutine to another it arrives as the sender has it", function()
  local c, ch = counter(10), goroutine.channel(1)
  local sender = async(function()
    c.inc()
    ch:send(c)
  end)
  local receiver = async(function()
    local mine = c.get()
    return mine, ch:receive().get(), c.get()
  end)
  assert(await(sender))
  gives(values(true, 10, 11, 10), await(receiver))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("what has the same changes on both sides is the same thing", function()
  local c = counter(1)
  local reflect, stop = mirror(function(value) value.inc() end)
  local other = reflect(c)
  assert(other ~= c)
  c.inc()
  equal(other.get(), c.get())
  stop()
  local ch = goroutine.channel()
  local handle = async(function()
    c.inc()
    ch:receive()
    return c
  end)
  c.inc()
  ch:send(true)
  gives(values(true, c), await(handle))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("what it has in common with what is sent with it stays so", function()
  local log = {}
  local logger = setmetatable({ add = function(text) log[#log + 1] = text end }, { __name = "logger" })
  local got, list = run(function()
    logger.add("there")
    return logger, log
  end)
  got.add("here")
  gives(values("there", "here", 2, 0), list[1], list[2], #list, #log)
end)

everywhere("what nobody has changed is the same thing, on every way and however often", function()
  local c, memo = counter(3), memoizer(function(x) return x * 2 end)
  local reflect, stop = mirror()
  for _ = 1, 3 do
    equal(run(echo, c), c)
    equal(run(function() return { memo } end)[1], memo)
    equal(reflect(c), c)
    equal(reflect({ deep = { memo } }).deep[1], memo)
    gives(values(c, memo, c), run(function() return c, memo, c end))
  end
  stop()
  local far = c
  for _ = 1, 200 do far = { far } end
  far = run(echo, far)
  for _ = 1, 200 do far = far[1] end
  equal(far, c)
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("an echo of what nobody has changed is the same thing, also where the goroutine has changed its own", function()
  local c = counter(0)
  local input, output = goroutine.channel(), goroutine.channel()
  local handle = async(function()
    c.inc()
    for value in input:iter() do
      assert(value ~= c and value.get() == 0, "the goroutine's own came")
      output:send(value)
      output:send({ c, value, value })
      value.inc()
      value.inc()
      output:send(value)
    end
    local own = input:receive()
    return own
  end)
  for _ = 1, 3 do
    input:send(c)
    equal(output:receive(), c)
    local got = output:receive()
    gives(values(1, c, c, 0), got[1].get(), got[2], got[3], c.get())
    local changed = output:receive()
    assert(changed ~= c, "the very object came back")
    gives(values(2, 0), changed.get(), c.get())
  end
  input:close()
  assert(await(handle))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("what was changed and comes back to where it was changed is the same thing", function()
  local c = counter(0)
  local input, output = goroutine.channel(), goroutine.channel()
  local handle = async(function()
    c.inc()
    output:send(c)
    local first = input:receive()
    c.inc()
    return first == c, input:receive() == c
  end)
  local changed = output:receive()
  assert(changed ~= c and changed.get() == 1)
  input:send(changed)
  input:send(changed)
  gives(values(true, true, false), await(handle))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("of several that are alike one at most is the same thing: two do not become one", function()
  local c = counter(0)
  local input, output = goroutine.channel(), goroutine.channel()
  local handle = async(function()
    c.inc()
    local first, second = input:receive(), input:receive()
    assert(first ~= second and first ~= c)
    output:send({ first, second, c, second, first })
    first.inc()
    output:send({ first, second, c })
  end)
  input:send(c)
  input:send(c)
  local got = output:receive()
  assert(got[1] ~= got[2] and got[1] == got[5] and got[2] == got[4])
  equal((got[1] == c and 1 or 0) + (got[2] == c and 1 or 0), 1)
  got = output:receive()
  assert(got[1] ~= got[3] and got[1] ~= c and got[3] ~= c)
  gives(values(c, 1, 1, 0), got[2], got[1].get(), got[3].get(), c.get())
  assert(await(handle))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("an echo that becomes a class is a class of its own", function()
  local c = counter(0)
  local input = goroutine.channel()
  local handle = async(function()
    c.inc()
    local class = input:receive()
    class.inc()
    return class, setmetatable({}, class), class
  end)
  input:send(c)
  local ok, class, object, again = await(handle)
  assert(ok, class)
  gives(values(class, class, 1, 0), getmetatable(object), again, class.get(), c.get())
end)

everywhere("code that has run is no change, wherever it ran and how often", function()
  local function new()
    local pairs = function(list)
      return function(_, i)
        i = (i or 0) + 1
        if list[i] then return i, list[i] end
      end
    end
    return setmetatable({
      loops = function(list)
        local sum = 0
        for i = 1, 100 do sum = sum + i end
        for _, v in pairs(list) do sum = sum + v end
        return sum
      end,
      constants = function() return { a = 1, b = "text", c = true, d = 2.5, e = "more" } end,
    }, { __tostring = function() return "code" end })
  end
  local objects = {}
  for i = 1, 20 do objects[i] = new() end
  local function work(v)
    for _ = 1, 30 do
      equal(v.loops({ 1, 2 }), 5053)
      v.constants()
    end
  end
  for i, object in ipairs(objects) do
    local reflect, stop = mirror(i % 2 == 0 and work or nil)
    if i % 3 == 0 then work(object) end
    for _ = 1, 3 do equal(reflect(object), object) end
    work(object)
    equal(reflect(object), object)
    stop()
  end
end)

everywhere("a function in the place of one with the same parts in another order is a change", function()
  local object = setmetatable({ f = function() return 1 - 2 end }, { __tostring = function() return "object" end })
  local got = run(function(v)
    v.f = function() return 2 - 1 end
    return v
  end, object)
  gives(values(1, -1), got.f(), object.f())
end)

everywhere("a memoizer keeps what it remembers", function()
  local calls = 0
  local memo = memoizer(function(x)
    calls = calls + 1
    return x * 2
  end)
  equal(memo(1), 2)
  local got = run(function()
    memo(2)
    memo(3)
    return memo
  end)
  local before = calls
  gives(values(2, 4, 6, nil), got(1), got(2), got(3), memo.cache[2])
  equal(calls, before)
end)

everywhere("a field that is added, taken or replaced is a change", function()
  local function new() return setmetatable({ f = function() return 1 end, name = "n" }, { __len = function() return 0 end }) end
  for what, change in pairs({
    added = function(v) v.extra = "x" end,
    taken = function(v) v.name = nil end,
    replaced = function(v) v.name = "other" end,
    ["another function"] = function(v) v.f = function() return 2 end end,
    ["another metatable"] = function(v) setmetatable(v, { __len = function() return 1 end }) end,
    ["no metatable"] = function(v) setmetatable(v, nil) end,
  }) do
    local object = new()
    local got = run(function(v)
      change(v)
      return v
    end, object)
    assert(got ~= object, what .. ": the very object came back")
    gives(values(nil, "n", 1, 0), object.extra, object.name, object.f(), getmetatable(object).__len())
  end
  local same = new()
  equal(run(function(v)
    v.f, v.name = v.f, "other"
    v.name = "n"
    return v
  end, same), same)
end)

everywhere("it does not matter in which order fields came about", function()
  local object, names = setmetatable({}, { __call = function() end }), {}
  for i = 1, 50 do names[i] = "field " .. i end
  for i = 1, 50 do object[names[i]] = i % 2 == 0 and "text" or echo end
  equal(run(function(v)
    local all = {}
    for k, f in pairs(v) do all[k] = f end
    for k in pairs(all) do v[k] = nil end
    for i = 50, 1, -1 do v[names[i]] = all[names[i]] end
    return v
  end, object), object)
end)

everywhere("tables that change places are a change, and so are two that become one", function()
  local function new(a, b)
    return setmetatable({ f = echo, tree = { left = a, right = b } }, { __call = function() end })
  end
  local function swap(v) v.tree.left, v.tree.right = v.tree.right, v.tree.left end
  local function join(v) v.tree.left = v.tree.right end
  local deep = { { { "deep" } } }
  for _, change in ipairs({ swap, join }) do
    for _, pair in ipairs({ { { 1 }, { 2 } }, { { { { "x" } } }, { { { "y" } } } }, { deep, { deep } } }) do
      local object = new(pair[1], pair[2])
      local got = run(function(v)
        change(v)
        return v
      end, object)
      assert(got ~= object, "the very object came back")
    end
  end
  local two = new({ 1 }, { 1 })
  assert(run(function(v)
    join(v)
    return v
  end, two) ~= two)
end)

everywhere("objects that reach each other", function()
  local a, b = counter(1), counter(2)
  a.peer = function() return b end
  b.peer = function() return a end
  gives(values(a, b), run(function() return a, b end))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("objects that reach each other, of which one was changed", function()
  local a, b = counter(1), counter(2)
  a.peer = function() return b end
  b.peer = function() return a end
  local got = run(function()
    b.inc()
    return a
  end)
  assert(got ~= a)
  gives(values(3, true, 2), got.peer().get(), got.peer().peer() == got, b.get())
end)

everywhere("what becomes a metatable is a class from then on", function()
  local looks = setmetatable({ f = function() return "f" end }, { __tostring = function() return "looks" end })
  equal(run(echo, looks), looks)
  local object = setmetatable({}, looks)
  local got = run(function(o)
    getmetatable(o).changed = "lost, as in classes"
    return o
  end, object)
  gives(values(looks, nil), getmetatable(got), looks.changed)
  local told = goroutine.class(setmetatable({ f = echo }, {}))
  equal(run(function()
    told.changed = true
    return told
  end), told)
end)

everywhere("data with the names of fields that metatables have is data", function()
  for what, data in pairs({
    ["a name"] = { __name = "User", count = 1 },
    ["a mode"] = { __mode = "fast", count = 1 },
    ["numbers"] = { __len = 5, __index = 3, __call = true, count = 1 },
    ["tables"] = { __add = { 1 }, __tostring = { "text" }, __metatable = {}, count = 1 },
  }) do
    local got = run(function(v)
      v.count = v.count + 1
      return v
    end, data)
    assert(got ~= data, what .. ": the very table came back")
    gives(values(2, 1), got.count, data.count)
  end
end)

everywhere("what reaches very much is a copy", function()
  local much = {}
  for i = 1, 120000 do much[i] = i end
  local object = setmetatable({ get = function(i) return much[i] end }, { __tostring = function() return "much" end })
  local got = run(echo, object)
  gives(values(7, 120000), got.get(7), got.get(120000))
end)

everywhere("very many of them, also in a chain", function()
  local list, chain = {}, nil
  local many = scaled(400, 100)
  for i = 1, many do
    list[i] = setmetatable({ i = function() return i end }, { __tostring = function() return "object" end })
    local before = chain
    chain = setmetatable({ before = function() return before end }, { __tostring = function() return "link" end })
  end
  local got = run(echo, list)
  for i = 1, many, 97 do gives(values(list[i], i), got[i], got[i].i()) end
  local length, link = 0, run(echo, chain)
  while link do
    length, link = length + 1, link.before()
  end
  equal(length, many)
end)

finish()
