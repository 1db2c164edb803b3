-- Shared tables.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local shared = goroutine.shared

everywhere("it is read and written like a table", function()
  local t = shared()
  equal(t.missing, nil)
  t.name, t[1], t[1.5], t[true], t[2 ^ 53] = "sloth", "one", "half", "yes", "large"
  equal(t.name, "sloth")
  equal(t[1], "one")
  equal(t[1.0], "one")
  equal(t[1.5], "half")
  equal(t[true], "yes")
  equal(t[2 ^ 53], "large")
  t.name = nil
  equal(t.name, nil)
  t.no = false
  equal(t.no, false)
end)

everywhere("it begins with what it is given, and what lies in it is shared too", function()
  local t = shared({ a = { b = { c = 1 } }, 10, 20, 30 })
  equal(#t, 3)
  equal(t.a.b.c, 1)
  goroutine.async(function()
    t.a.b.c = 2
    t.a.b = { d = "new" }
    t[4] = t.a
  end):await()
  equal(t.a.b.c, nil)
  equal(t.a.b.d, "new")
  equal(t[4], t.a)
end)

everywhere("what appears twice, or in itself, is one table there", function()
  local inside = { n = 1 }
  local plain = { left = inside, right = inside }
  plain.itself = plain
  local t = shared(plain)
  equal(t.left, t.right)
  equal(t.itself.itself, t)
  local copy = t:snapshot()
  equal(copy.left, copy.right)
  equal(copy.itself, copy)
  equal(getmetatable(copy), nil)
  t.itself = nil -- or it would never be gone
end)

everywhere("other values are copies, objects are themselves", function()
  local t, channel = shared(), goroutine.channel(1)
  local up = 5
  t.f = function(n) return n + up end
  t.channel = channel
  t[channel] = "by channel"
  equal(t.f(1), 6)
  equal(t.channel, channel)
  gives(values(true, "by channel", 7), goroutine.async(function() return t[t.channel], t.f(2) end):await())
  same(t:snapshot()[channel], "by channel")
end)

everywhere("what cannot be stored is refused, and nothing changes", function()
  local t = shared({ kept = 1 })
  raises("cannot store a table with a metatable in a shared table", function() t.kept = setmetatable({}, {}) end)
  raises("cannot store a table with a metatable in a shared table", shared, { { setmetatable({}, {}) } })
  raises("cannot send", function() t.kept = coroutine.create(function() end) end)
  local function no_key(what) return "cannot use " .. what .. " as a key of a shared table (string, number, boolean or object expected)" end
  raises(no_key("a table"), function() t[{}] = 1 end)
  raises(no_key("nil"), function() t[nil] = 1 end)
  raises(no_key("nan"), function() t[0 / 0] = 1 end)
  raises("bad argument #1 to 'set' (string, number, boolean or object expected, got nan)", t.set, t, 0 / 0, 1)
  raises("bad argument #1 to 'get' (string, number, boolean or object expected, got no value)", t.get, t)
  raises("bad argument #1 to 'get' (string, number, boolean or object expected, got table)", t.get, t, {})
  raises("cannot use a table as a key of a shared table", shared, { [{}] = 1 })
  equal(t.kept, 1)
  equal(t[{}], nil)
  equal(t[0 / 0], nil)
end)

everywhere("a key that is a method's name goes by get and set", function()
  local t = shared()
  t:set("get", "value")
  t.update = "other"
  equal(type(t.get), "function")
  equal(t:get("get"), "value")
  equal(t:get("update"), "other")
  t:set("get", nil)
  gives(values(nil), t:get("get"))
end)

everywhere("update is one step", function()
  local t = shared({ count = 0 })
  local handles = goroutine.spawn_many(8, function()
    for _ = 1, 200 do t:update("count", function(n) return n + 1 end) end
  end)
  for _, handle in ipairs(handles) do gives(values(true), handle:await()) end
  equal(t.count, 1600)
  gives(values(1), t:update("fresh", function(old)
    equal(old, nil)
    return 1
  end))
  gives(values(nil), t:update("fresh", function() return nil end))
  equal(t.fresh, nil)
  raises("no", t.update, t, "count", function() error("no") end)
  equal(t.count, 1600)
  t:update("list", function() return { 1, 2 } end)
  equal(#t.list, 2)
end)

everywhere("an update that another overtakes runs again", function()
  local t, calls = shared({ v = 1 }), 0
  local function another_sets(v)
    goroutine.async(function() t.v = v end):await()
  end
  gives(values(11), t:update("v", function(old)
    calls = calls + 1
    if calls == 1 then another_sets(10) end
    return old + 1
  end))
  equal(calls, 2)
  -- The same value again is another one, too.
  calls = 0
  t:update("v", function(old)
    calls = calls + 1
    if calls == 1 then
      another_sets(0)
      another_sets(old)
    end
    return old
  end)
  equal(calls, 2)
end)

everywhere("an update whose function itself changes the entry is a wrong call", function()
  local t = shared({ n = 1, [1] = "one", other = 1 })
  local function refused(key, text, change)
    local message = raises("bad argument #2 to 'update' (the function has itself changed " .. text, function()
      t:update(key, function(old)
        change(old)
        return 5
      end)
    end)
    contains(message, "shared_tables.lua:")
  end
  refused("n", "'n'", function() t.n = 2 end)
  refused("n", "'n'", function() t:set("n", 2) end)
  refused(1, "[1]", function() t[1] = "two" end)
  refused("new", "'new'", function() t:get_or_insert("new", 1) end)
  refused(2, "[2]", function() t:insert("two") end)
  refused("n", "'n'", function() t:update("n", function(n) return n + 1 end) end)
  equal(t.n, 3)
  -- Also from further within.
  refused("n", "'n'", function()
    t:update("other", function(n)
      t.n = 4
      return n + 1
    end)
  end)
  gives(values(5, 2), t.n + 1, t.other)
  -- What changes nothing after all, or another entry, or an entry of that name elsewhere.
  local elsewhere = shared()
  gives(values(5), t:update("fresh", function()
    t.fresh, t.other, elsewhere.fresh = nil, 7, 8
    return 5
  end))
  gives(values(7, 8), t.other, elsewhere.fresh)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("an update that others always overtake gives up", function()
  local t, calls = shared({ n = 0 }), 0
  raises("update of 'n' was given up: others have changed it", function()
    t:update("n", function()
      calls = calls + 1
      goroutine.async(function() t.n = -1 end):await() -- it is to do nothing else, and not wait
      return calls
    end)
  end)
  equal(t.n, -1)
  assert(calls >= 100, calls)
end)

everywhere("functions that update each other's entries come to an end", function()
  local t = shared({ a = 0, b = 0 })
  local function crosswise(own, other)
    for _ = 1, 50 do
      t:update(own, function(n)
        t:update(other, function(m) return m + 1 end)
        for _ = 1, 200 do end
        return n + 1
      end)
    end
  end
  local handles = { goroutine.async(crosswise, "a", "b"), goroutine.async(crosswise, "b", "a") }
  for _, handle in ipairs(handles) do gives(values(true), handle:await()) end
  assert(t.a >= 100 and t.b >= 100, t.a .. " " .. t.b)
end)

everywhere("get_or_insert gives what is there to all", function()
  local t = shared()
  gives(values(1), t:get_or_insert("a", 1))
  gives(values(1), t:get_or_insert("a", 2))
  local handles = goroutine.spawn_many(10, function(id) return t:get_or_insert("table", { id }) end)
  local first
  for _, handle in ipairs(handles) do
    local ok, got = handle:await()
    assert(ok, got)
    first = first or got
    equal(got, first)
  end
end)

everywhere("insert adds at the end, from many goroutines without a hole", function()
  local t = shared({ "first" })
  gives(values(2), t:insert("second"))
  local handles = goroutine.spawn_many(8, function(id)
    for n = 1, 50 do t:insert(id * 1000 + n) end
  end)
  for _, handle in ipairs(handles) do gives(values(true), handle:await()) end
  equal(#t, 402)
  local seen = {}
  for i = 3, 402 do seen[t[i]] = (seen[t[i]] or 0) + 1 end
  for id = 1, 8 do
    for n = 1, 50 do equal(seen[id * 1000 + n], 1) end
  end
  for i = 402, 1, -1 do
    t[i] = nil
    equal(#t, i - 1)
  end
  t[3], t[1], t[2] = 3, 1, 2
  equal(#t, 3)
end)

unless_lua("5.1 jit", "`pairs` and `ipairs` do not ask a metatable")
everywhere("pairs goes over a snapshot, ipairs over the list", function()
  local t = shared({ 1, 2, 3, x = "x" })
  local seen = {}
  for key, value in pairs(t) do
    seen[key] = value
    t[key] = nil
    t["new " .. tostring(key)] = true
  end
  same(seen, { 1, 2, 3, x = "x" })
  t[1], t[2] = "a", "b"
  local list = {}
  for i, value in ipairs(t) do list[i] = value end
  same(list, { "a", "b" })
end)

unless_lua("5.1 5.2 jit", "the table library does not ask a metatable")
everywhere("the table library works on it", function()
  local t = shared({ 3, 1, 2 })
  table.insert(t, 5)
  table.insert(t, 1, 4)
  table.sort(t)
  equal(table.concat(t, ","), "1,2,3,4,5")
  equal(table.remove(t), 5)
  equal(table.concat(t, ","), "1,2,3,4")
  same({ table.unpack(t) }, { 1, 2, 3, 4 })
end)

everywhere("it is the same table wherever it is sent", function()
  local t = shared()
  local ok, back = goroutine.async(function() return t end):await()
  assert(ok)
  equal(back, t)
  contains(tostring(t), "shared table")
end)

everywhere("tables within tables, to any depth, come and go", function()
  local deep = {}
  for _ = 1, 3000 do deep = { deep } end
  local t = shared(deep)
  local depth = 0
  while t[1] do
    t, depth = t[1], depth + 1
  end
  equal(depth, 3000)
  local chain = shared()
  for _ = 1, 50000 do
    local outer = shared()
    outer.inside = chain
    chain = outer
  end
  chain = nil
  for _ = 1, 3 do collectgarbage() end
end)

finish()
