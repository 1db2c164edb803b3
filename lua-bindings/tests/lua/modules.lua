-- Modules: by name, from where home finds them, once per isolate.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["require inside finds what home's package.path finds"] = "goroutines have the modules of the script",
  ["a loaded module that is captured arrives as what require gives there"] = "goroutines have the modules of the script",
  ["a captured module that isolates cannot load fails when the goroutine is to start there"] = "goroutines have the modules of the script",
  ["an entry of package.preload that cannot cross fails where it is required, and no other does"] = "goroutines have the modules of the script",
  ["one that cannot be received fails alone, too"] = "goroutines have the modules of the script",
  ["a module that home alone has: the error says what to do"] = "goroutines have the modules of the script",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- A folder of its own under the temporary one, on package.path.
local folder = os.tmpname()
os.remove(folder)
os.execute('mkdir "' .. folder .. '"')
local names = {}
local function module(name, source)
  local path = folder .. "/" .. name .. ".lua"
  local file = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  names[#names + 1] = path
end
local path_before = package.path
package.path = folder .. "/?.lua;" .. package.path

module("counting", [[
  local M = { loads = (_G.counting_loads or 0) + 1, n = 0 }
  function M.next() M.n = M.n + 1 return M.n end
  function M.double(x) return x * 2 end
  M.Point = {}
  M.Point.__index = M.Point
  function M.Point.new(x) return setmetatable({ x = x }, M.Point) end
  function M.Point:get() return self.x end
  return M
]])
module("outer_module", [[ local inner = require("inner_module") return { ask = function() return inner.answer end } ]])
module("inner_module", [[ return { answer = 42 } ]])
module("broken_module", [[ error("will not load") ]])
module("plain_function", [[ return function(x) return x + 1 end ]])
module("using_globals", [[ local M = {} function M.kind() return type(print) end return M ]])
module("starting", [[
  local goroutine = require("goroutine")
  local M = {}
  function M.start() return goroutine.await(goroutine.async(function() return "started in a module" end)) end
  return M
]])

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

test("require inside finds what home's package.path finds", function()
  gives(values(10, true), run(function()
    local counting = require("counting")
    return counting.double(5), package.loaded.counting == counting
  end))
  equal(package.loaded.counting, nil, "home has not loaded it")
end)

test("package.path inside is home's, also after a change", function()
  local path, cpath = package.path, package.cpath
  gives(values(path, cpath), run(function() return package.path, package.cpath end))
  package.path = path .. ";./nowhere/?.lua"
  local changed = run(function() return package.path end)
  package.path = path
  equal(changed, path .. ";./nowhere/?.lua")
end)

test("a loaded module that is captured arrives as what require gives there", function()
  local counting = require("counting")
  counting.n = 100
  gives(values(true, 14), run(function() return counting == require("counting"), counting.double(7) end))
  equal(counting.n, 100)
  if reports then contains(reports()[1], "module 'counting': field 'n' was changed after loading (home has 100, goroutines get 0)") end
end)

test("the goroutine module arrives as itself, under any name", function()
  local g = goroutine
  gives(values(true), run(function() return g == require("goroutine") end))
end)

test("a function of a module written in Lua is a copy that works", function()
  local double, next_number = require("counting").double, require("counting").next
  equal(run(function() return double(21) end), 42)
  equal(type(run(function() return next_number() end)), "number")
end)

test("an object of a module's class keeps its methods", function()
  local point = require("counting").Point.new(3)
  equal(run(function(p) return p:get() end, point), 3)
  equal(run(function() return point:get() + 1 end), 4)
  equal(run(function() return require("counting").Point.new(8) end):get(), 8)
end)

test("a module that requires another", function()
  equal(run(function() return require("outer_module").ask() end), 42)
end)

test("a module that is a function, or uses globals, or starts goroutines", function()
  equal(run(function() return require("plain_function")(1) end), 2)
  equal(run(function() return require("using_globals").kind() end), "function")
  gives(values(true, "started in a module"), run(function() return require("starting").start() end))
  gives(values(true, "started in a module"), require("starting").start())
end)

test("a module that does not load is an error of the goroutine that requires it", function()
  local ok, err = await(async(function() return require("broken_module") end))
  equal(ok, false)
  contains(err, "will not load")
  ok, err = await(async(function() return require("no_such_module_anywhere") end))
  equal(ok, false)
  contains(err, "no_such_module_anywhere")
  equal(run(function() return "alive" end), "alive")
end)

test("a captured module that isolates cannot load fails when the goroutine is to start there", function()
  package.loaded.only_at_home = { here = true }
  local only = require("only_at_home")
  local ok, err = await(async(function() return only.here end))
  package.loaded.only_at_home = nil
  equal(ok, false)
  contains(err, "only_at_home")
end)

test("package.preload of home is used inside", function()
  package.preload.preloaded = function(name)
    return { name = name, ask = function() return "preloaded" end }
  end
  gives(values("preloaded", "preloaded"), run(function()
    local m = require("preloaded")
    return m.name, m.ask()
  end))
  local preloaded = require("preloaded")
  equal(run(function() return preloaded.ask() end), "preloaded")
  package.preload.preloaded = nil
end)

test("functions in package.preload that require others, as bundlers write them", function()
  package.preload.bundled_main = function() return { part = require("bundled_part") } end
  package.preload.bundled_part = function()
    local goroutine = require("goroutine")
    return { name = "part", version = goroutine._VERSION }
  end
  local name, version = run(function()
    local part = require("bundled_main").part
    return part.name, part.version
  end)
  package.preload.bundled_main, package.preload.bundled_part = nil, nil
  gives(values("part", goroutine._VERSION), name, version)
end)

unless_lua("5.1", "where C code forbids to wait, the error is Lua's own")
test("a module that waits while it is loaded is told that it cannot, and nothing hangs", function()
  package.preload.sleepy = function()
    require("goroutine").sleep(5)
    return { loaded = true }
  end
  local ok, value = await(async(function() return require("sleepy").loaded end), 30000)
  package.preload.sleepy = nil
  if ok then
    equal(value, true)
  else
    contains(value, "modules.lua:")
    contains(value, "wait")
  end
  equal(run(function() return "alive" end), "alive")
end)

test("the module's own local state is one per isolate, not per goroutine", function()
  local seen = goroutine.await_all(goroutine.spawn_many(40, function()
    return require("counting").next()
  end))
  local total = 0
  for _, result in ipairs(seen) do
    assert(result.success, result.error)
    if result.values[1] > 1 then total = total + 1 end
  end
  assert(total > 0, "40 goroutines in a few isolates never met in one")
end)

test("libraries are there without require", function()
  gives(values("function", "function", "table"), run(function()
    return type(string.format), type(os.time), type(debug or {})
  end))
  gives(values(true, true), run(function() return require("string") == string, require("math") == math end))
end)

package.path = path_before
for _, path in ipairs(names) do os.remove(path) end
os.execute('rmdir "' .. folder .. '"')

test("an entry of package.preload that cannot cross fails where it is required, and no other does", function()
  local file = io.tmpfile()
  package.preload.holds_a_file = function() return file end
  package.preload.is_fine = function() return { fine = true } end
  local function load(name)
    local module = require(name)
    return module.fine
  end
  gives(values(true, true), goroutine.await(goroutine.async(load, "is_fine")))
  local ok, err = goroutine.await(goroutine.async(load, "holds_a_file"))
  equal(ok, false)
  contains(err, "module 'holds_a_file' cannot be loaded in a goroutine: cannot send package.preload.holds_a_file.<upvalue 'file'> "
    .. "(userdata 'FILE*') to a goroutine: ")
  contains(err, "inside")
  package.preload.holds_a_file, package.preload.is_fine = nil, nil
end)

test("one that cannot be received fails alone, too", function()
  local alone = { floor = math.floor }
  package.loaded.at_home_alone = alone
  package.preload.needs_it = function() return alone end
  package.preload.does_not = function() return { fine = 1 } end
  gives(values(true, 1), goroutine.await(goroutine.async(function() return require("does_not").fine end)))
  local ok, err = goroutine.await(goroutine.async(function() return require("needs_it") end))
  equal(ok, false)
  contains(err, "module 'needs_it' cannot be loaded in a goroutine: cannot load module 'at_home_alone' in a goroutine")
  package.preload.needs_it, package.preload.does_not = nil, nil
end)

test("a module that home alone has: the error says what to do", function()
  local alone = { name = "alone" }
  package.loaded.home_alone = alone
  local cpath = package.cpath
  package.cpath = "" -- one without a question mark finds every module, and another error
  local advice = 'only the home state has it: goroutine.configure{copy_modules = {"home_alone"}} sends it as it is, a function in '
    .. 'package.preload["home_alone"] would load it'
  local ok, err = goroutine.await(goroutine.async(function() return alone.name end))
  equal(ok, false)
  contains(err, "cannot load module 'home_alone' in a goroutine (" .. advice .. "): module 'home_alone' not found:")
  ok, err = goroutine.await(goroutine.async(function() return require("home_alone") end))
  equal(ok, false)
  contains(err, advice)
  ok, err = goroutine.await(goroutine.async(function() return require("nobody has it") end))
  equal(ok, false)
  assert(not err:find("only the home state", 1, true), err)
  goroutine.configure({ copy_modules = { "home_alone" } })
  gives(values(true, "alone"), goroutine.await(goroutine.async(function() return alone.name end)))
  package.cpath = cpath
end)

finish()
