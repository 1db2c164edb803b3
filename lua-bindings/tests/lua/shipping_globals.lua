-- Globals: the user's travel if they are used, and each goroutine has its own.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("goroutines have the globals of the script")
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

-- Globals of this file, that all tests here can use.
answer = 42
settings = { level = 3, nested = { on = true } }
function double(n) return n * 2 end
function double_answer() return double(answer) end
function even_global(n) if n == 0 then return true end return odd_global(n - 1) end
function odd_global(n) if n == 0 then return false end return even_global(n - 1) end

everywhere("a global is there, whatever its type", function()
  gives(values(42, 3, true, 10), run(function()
    return answer, settings.level, settings.nested.on, double(5)
  end))
end)

everywhere("globals that are used by helpers travel as well", function()
  local function helper() return double_answer() + 1 end
  equal(run(function() return helper() end), 85)
  equal(run(double_answer), 84)
end)

everywhere("global functions that call each other", function()
  gives(values(true, true), run(function() return even_global(10), odd_global(7) end))
end)

everywhere("globals used by functions inside functions, in tables and metatables", function()
  local object = setmetatable({}, { __index = function(_, key) return key .. answer end })
  local list = { function() return settings.level end }
  gives(values("x42", 3, 84), run(function()
    local function inner() return (function() return double_answer() end)() end
    return object.x, list[1](), inner()
  end))
end)

everywhere("globals that a result or a channel's value uses arrive with it", function()
  local fn = run(function()
    made_inside = "made inside"
    return function() return made_inside end
  end)
  equal(fn(), "made inside")
  made_inside = nil
end)

everywhere("setting a global inside is seen by nobody else", function()
  gives(values("inside", "inside"), run(function()
    answer = "inside"
    local function read() return answer end
    return answer, read()
  end))
  equal(answer, 42)
  equal(run(function() return answer end), 42)
  run(function() settings.level = 99 end)
  equal(settings.level, 3)
end)

everywhere("a new global inside is the goroutine's own", function()
  local handles = goroutine.spawn_many(50, function(id)
    assert(own == nil, "seen before it was set: " .. tostring(own))
    own = id
    for _ = 1, 5 do
      goroutine.yield()
      if own ~= id then error("goroutine " .. id .. " sees " .. tostring(own)) end
    end
    return own
  end)
  for id, handle in ipairs(handles) do gives(values(true, id), await(handle)) end
  equal(own, nil)
end)

everywhere("replacing a standard function inside is seen by nobody else", function()
  local name = run(function()
    tostring = function() return "mine" end
    type = nil
    return tostring(5)
  end)
  equal(name, "mine")
  equal(tostring(5), "5")
  gives(values("5", "number"), run(function() return tostring(5), type(5) end))
end)

test("a standard function that home replaced is replaced inside, where it is used", function()
  local original = tostring
  tostring = function(value) return "<" .. original(value) .. ">" end
  local ok, text = await(async(function() return tostring(7) end))
  tostring = original
  gives(values(true, "<7>"), ok, text)
  equal(run(function() return tostring(7) end), "7")
end)

test("a global that is not used does not travel", function()
  unused_file = io.tmpfile()
  equal(run(function() return answer end), 42)
  unused_file = nil
end)

test("a global that cannot travel fails only when it is touched", function()
  open_file = io.tmpfile()
  local function maybe(touch)
    if touch then return open_file end
    return "not touched"
  end
  equal(run(maybe, false), "not touched")
  local ok, err = await(async(maybe, true))
  equal(ok, false)
  contains(err, "open_file")
  assert(err:find("FILE*", 1, true) or err:find("(userdata)", 1, true), err)
  -- With something else in its place it is a global like others.
  equal(run(function(touch)
    open_file = "replaced"
    return maybe(touch)
  end, true), "replaced")
  open_file = nil
end)

test("a global with something inside that cannot travel names the path", function()
  deep = { log = { file = io.tmpfile() } }
  local ok, err = await(async(function() return deep.log end))
  equal(ok, false)
  contains(err, "deep")
  contains(err, "log.file")
  deep = nil
end)

test("one bad global leaves the good ones alone", function()
  bad_one, good_one = coroutine.create(function() end), { "good" }
  gives(values("good", false), run(function()
    return good_one[1], (pcall(function() return bad_one end))
  end))
  bad_one, good_one = nil, nil
end)

test("a module that only home can load is no matter while it is not touched", function()
  package.loaded.only_at_home = { here = true }
  home_module = package.loaded.only_at_home
  local function maybe(touch)
    if touch then return home_module.here end
    return "not touched"
  end
  local untouched, value = await(async(maybe, false))
  local ok, err = await(async(maybe, true))
  package.loaded.only_at_home, home_module = nil, nil
  gives(values(true, "not touched"), untouched, value)
  equal(ok, false)
  contains(err, "only_at_home")
end)

test("a home whose globals are strict starts goroutines like others", function()
  strict_helper = function() return answer end
  setmetatable(_G, {
    __index = function(_, name) error("undefined " .. tostring(name), 2) end,
    __newindex = function(_, name) error("assigned " .. tostring(name), 2) end,
  })
  local results = values(pcall(run, function()
    local helper = strict_helper
    fresh_inside = 1
    return helper(), fresh_inside, not_there_at_all
  end))
  setmetatable(_G, nil)
  strict_helper = nil
  gives(values(true, 42, 1, nil), (table.unpack or unpack)(results, 1, results.n))
end)

test("globals that home has through tables of the metatable of _G are found, as far as the tables go", function()
  local far = { far_away = function() return found_by_name, near_by() end, hidden = "not this" }
  local near = setmetatable({ found_by_name = "found", near_by = function() return hidden end, hidden = "this" }, { __index = far })
  setmetatable(far, { __index = _G }) -- a circle
  setmetatable(_G, { __index = near })
  local results = values(pcall(function()
    local by_call = values(run(function() return far_away() end))
    local by_table = values(run(function() return _G.found_by_name, (loadstring or load)("return hidden")(), not_there_at_all end))
    local from_inside = values(run(function() return select(2, await(async(function() return near_by() end))) end))
    setmetatable(far, { __index = function() error("called") end })
    return by_call, by_table, from_inside, values(run(function() return near_by(), not_there_at_all end))
  end))
  setmetatable(_G, nil)
  assert(results[1], results[2])
  same({ results[2], results[3], results[4], results[5] }, {
    values("found", "this"), values("found", "this", nil), values("this"), values("this", nil),
  })
  equal(rawget(_G, "hidden"), nil)
end)

unless_lua("5.1", "closures that share a variable get a copy each")
test("what a bad global has in common with good ones arrives with these, once", function()
  local get, set
  do
    local n = 1
    get, set = function() return n end, function(m) n = m end
  end
  -- In the order of their names as well as against it, so that the bad one is met first either way.
  for _, names in ipairs({ { "aa_bad", "bb_good", "cc_good" }, { "zz_bad", "yy_good", "xx_good" } }) do
    local bad, good, other = names[1], names[2], names[3]
    local shared, chain = { "shared", get = get }, { "end" }
    for _ = 1, 200 do chain = { next = chain } end
    local middle = chain.next.next
    _G[bad] = { shared = shared, set = set, chain = chain, deep = { { io.tmpfile() } }, fn = function() return shared end }
    _G[good] = { shared, set, middle }
    _G[other] = { shared, function() return shared[1] end }
    local chunk = compiled(([[
      local given, get = ...
      local bad_ok, why = pcall(function() return %s end)
      local good, other = %s, %s
      good[2](5)
      local depth, node = 0, good[3]
      while node.next do
        depth, node = depth + 1, node.next
      end
      return bad_ok, why, good[1] == other[1], good[1] == given, other[2](), good[1].get(), get(), depth, node[1]
    ]]):format(bad, good, other))
    local results = values(pcall(run, chunk, shared, get))
    _G[bad], _G[good], _G[other] = nil, nil, nil
    assert(results[1], results[2])
    contains(results[3], "cannot send global '" .. bad .. "'.deep[1][1]")
    gives(values(true, false, results[3], true, true, "shared", 5, 5, 198, "end"), (table.unpack or unpack)(results, 1, results.n))
  end
  equal(get(), 1)
end)

test("a global changed between two starts has its new value in the second", function()
  changing = 1
  equal(run(function() return changing end), 1)
  changing = { 2 }
  equal(run(function() return changing end)[1], 2)
  changing = nil
  equal(run(function() return changing end), nil)
end)

everywhere("_G is the goroutine's own globals", function()
  gives(values(42, 42, true, true, "function", "table"), run(function()
    local by_g = _G.answer
    _G.fresh = 1
    return answer, by_g, fresh == 1, _G._G == _G, type(_G.print), type(_G.string)
  end))
  equal(fresh, nil)
end)

everywhere("_G in a captured variable has the globals that are named with it", function()
  local all = _G
  gives(values(42, nil), run(function() return all.answer, all["no such " .. answer] end))
  gives(values(42, 3), run(function()
    return (function() return all.answer end)(), all.settings.level
  end))
end)

everywhere("_G can be walked, and has what is standard", function()
  local seen = run(function()
    mine = 1
    local names = {}
    for name in pairs(_G) do names[name] = true end
    return names
  end)
  for _, name in ipairs({ "print", "pairs", "string", "table", "math", "require", "mine", "_G", "_VERSION" }) do
    assert(seen[name], "_G lacks " .. name)
  end
end)

everywhere("rawget, next and setmetatable see the real thing in _G", function()
  gives(values("function", "found by default", true), run(function()
    setmetatable(_G, { __index = function() return "found by default" end })
    return type(rawget(_G, "print")), no_such_global, rawequal(_G, _G._G)
  end))
end)

everywhere("strict globals can be switched on inside", function()
  local ok, err = await(async(function()
    setmetatable(_G, { __index = function(_, name) error("undefined " .. name, 2) end })
    return undefined_thing
  end))
  equal(ok, false)
  contains(err, "undefined undefined_thing")
  equal(run(function() return undefined_thing end), nil)
end)

if math.type then
  everywhere("_ENV is the goroutine's own globals, too", function()
    gives(values(42, true, "set"), run(function()
      local env = _ENV
      env.by_env = "set"
      return env.answer, env == _G, by_env
    end))
    equal(by_env, nil)
  end)
end

everywhere("load makes code with the goroutine's globals", function()
  gives(values(42, 43, 43), run(function()
    local first = (loadstring or load)("return answer")()
    local second = (loadstring or load)("answer = answer + 1 return answer")()
    return first, second, answer
  end))
  equal(answer, 42)
end)

unless_lua("5.1", "`load` takes functions only")
everywhere("load takes names, environments and functions as ever", function()
  gives(values("env", nil, 6, true), run(function()
    local a = load("return x", "=chunk", "t", { x = "env" })()
    local bad, why = load("return +", "=broken")
    local parts = { "return ", "1 + ", "2 + 3" }
    local i = 0
    local c = load(function()
      i = i + 1
      return parts[i]
    end)()
    return a, bad, c, why:find("broken", 1, true) == 1
  end))
end)

test("loadfile and dofile make code with the goroutine's globals", function()
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  -- It may only use what the function that loads it uses: nobody reads the file when the goroutine starts.
  file:write("from_file = (from_file or 0) + answer\nreturn from_file, ...")
  file:close()
  local a, b, c, d, missing = run(function(path)
    equal(answer, 42)
    local a, given = assert(loadfile(path))("given")
    local b = dofile(path)
    local absent, why = loadfile(path .. ".absent")
    return a, b, from_file, given, absent == nil and type(why) == "string" and not pcall(dofile, path .. ".absent")
  end, name)
  os.remove(name)
  gives(values(42, 84, 84, "given", true), a, b, c, d, missing)
  equal(from_file, nil)
end)

test("a name computed at run time finds nothing of the user's", function()
  gives(values(nil, "function"), run(function()
    local a, b = "ans", "wer"
    return _G[a .. b], type(_G["pri" .. "nt"])
  end))
end)

everywhere("nested goroutines hand their globals on", function()
  equal(run(function()
    answer = "from the outer one"
    local _, inner = goroutine.await(goroutine.async(function() return answer end))
    return inner
  end), "from the outer one")
end)

everywhere("a helper's global is set where it runs", function()
  local function count()
    counted = (counted or 0) + 1
    return counted
  end
  gives(values(1, 2), run(function() return count(), count() end))
  gives(values(1, 2), run(function() return count(), count() end))
  equal(counted, nil)
end)

test("what cannot be found on arrival, anywhere in a global, fails only if that is touched", function()
  package.loaded.not_there = { floor = math.floor }
  local lost = package.loaded.not_there
  local function deep(n)
    local t = lost
    for _ = 1, n do t = { t } end
    return t
  end
  found, sibling = { x = 1 }, nil
  at_once, nested, far, as_upvalue = lost, { { lost } }, deep(200), function() return lost end
  among = { found, lost }
  within = { nested[1] }
  beside = { found }
  local function touch(name, get)
    local ok, fine, raised, err = goroutine.await(goroutine.async(function()
      if false then get() end
      return beside[1].x, pcall(get)
    end))
    gives(values(true, 1, false), ok, fine, raised)
    contains(err, "cannot load module 'not_there' in a goroutine")
  end
  touch("at_once", function() return at_once end)
  touch("nested", function() return nested end)
  touch("far", function() return far end)
  touch("as_upvalue", function() return as_upvalue end)
  touch("among", function() return among end)
  touch("within", function() return nested == nil or within end)
  touch("within", function() return pcall(function() return nested end) and nil or within end)
  -- Setting it makes it usable.
  gives(values(true, 5), goroutine.await(goroutine.async(function()
    far = 5
    return far
  end)))
  found, at_once, nested, far, as_upvalue, among, within, beside = nil, nil, nil, nil, nil, nil, nil, nil
end)

finish()
