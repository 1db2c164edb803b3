-- Modules that the script changed after loading them: who is told, and how they are sent as they are.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("goroutines have the modules of the script")
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function run(fn, ...)
  local results = values(await(async(fn, ...)))
  assert(results[1], results[2])
  return (table.unpack or unpack)(results, 2, results.n)
end

package.preload.unchanged = function() return { level = 3, name = "same", get = function() return 1 end, list = {} } end
package.preload.config = function() return { level = 3, name = "first", on = true } end
package.preload.many = function() return { a = 1, b = 2, c = 3, d = 4, e = 5 } end
package.preload.patched = function() return { get = function() return "as loaded" end } end
package.preload.own = function() return { level = 3, list = { 1 }, get = function() return "get" end, floor = math.floor } end
package.preload.later = function() return { level = 1 } end
package.preload.class_module = function()
  local C = { level = 1 }
  C.__index = C
  return C
end

-- Only the harness of cargo's tests can say what was reported; elsewhere it goes to standard error.
local reports = reports or function() return {} end
local told = _G.reports ~= nil

test("a module as it was loaded is no matter", function()
  local unchanged = require("unchanged")
  unchanged.list[1] = "tables are not looked at"
  equal(run(function() return unchanged.level end), 3)
  same(reports(), {})
end)

test("the first start that sends a changed module tells which field differs, once", function()
  local config = require("config")
  config.level = 5
  equal(run(function() return config.level end), 3)
  if told then
    local list = reports()
    equal(#list, 1)
    equal(list[1], "module 'config': field 'level' was changed after loading (home has 5, goroutines get 3); "
      .. 'goroutine.configure{copy_modules = {"config"}} sends it as it is')
  end
  config.level = 6
  goroutine.await_all(goroutine.spawn_many(40, function() return config.level end))
  same(reports(), {})
  equal(config.level, 6)
end)

test("several fields, new ones and missing ones, texts and functions", function()
  local many, patched = require("many"), require("patched")
  many.a, many.b, many.c, many.d, many.e = "text", false, nil, 0.5, ("long"):rep(100)
  patched.extra = function() return "extra" end
  run(function() return many.a, patched.get() end)
  if told then
    local list = reports()
    table.sort(list)
    equal(#list, 2)
    contains(list[1], "module 'many': fields 'a' (home has \"text\", goroutines get 1), 'b' (home has false, goroutines get 2), 'c' (home has nil, goroutines get 3) and 2 more were changed after loading; ")
    contains(list[2], "module 'patched': field 'extra' was changed after loading (home has a function, goroutines get nil); ")
  end
end)

test("copy_modules sends a module as it is, its C functions by name", function()
  local own = require("own")
  own.level, own.list[2] = 5, "two"
  own.extra = function() return own.level end
  equal(select("#", goroutine.configure({ copy_modules = { "own" } })), 0)
  gives(values(5, "two", "get", 5, true, false), run(function()
    own.level = own.level
    return own.level, own.list[2], own.get(), own.extra(), own.floor == math.floor, own == require("own")
  end))
  -- Each goroutine has its own.
  run(function() own.level = 99 end)
  gives(values(5, 5), own.level, run(function() return own.level end))
  local got = run(function() return own end)
  assert(got ~= own)
  equal(got.level, 5)
  same(reports(), {})
end)

test("copy_modules for a module that is not loaded yet, and for one that was sent by name before", function()
  goroutine.configure({ copy_modules = { "later", "config" } })
  local later, config = require("later"), require("config")
  later.level, config.level = 7, 8
  gives(values(7, 8), run(function() return later.level, config.level end))
  goroutine.configure({ copy_modules = { "later" } })
  goroutine.configure({ copy_modules = {} })
  goroutine.configure({})
  equal(run(function() return later.level end), 7)
  same(reports(), {})
end)

test("a module that is a class keeps its identity either way", function()
  local C = require("class_module")
  local object = setmetatable({}, C)
  equal(getmetatable(run(function() return object end)), C)
  goroutine.configure({ copy_modules = { "class_module" } })
  C.level = 2
  equal(run(function() return object.level end), 2)
  equal(getmetatable(run(function() return object end)), C)
  equal(getmetatable(run(function() return setmetatable({}, C) end)), C)
  same(reports(), {})
end)

test("a standard library that was changed is told of when code first names it", function()
  string.trim = function(s) return (s:match("^%s*(.-)%s*$")) end
  os.answer, os.clock = 42, function() return "own" end
  -- Nothing of it is needed.
  equal(run(function() return 1 end), 1)
  same(reports(), {})
  equal(run(function() return os.answer end), nil)
  if told then
    local list = reports()
    equal(#list, 1)
    equal(list[1], "module 'os': fields 'answer' (home has 42, goroutines get nil), 'clock' (home has a function of its own, "
      .. 'goroutines get the standard one) were changed after loading; goroutine.configure{copy_modules = {"os"}} sends it as it is')
  end
  equal(run(function() return os.answer end), nil)
  same(reports(), {})
end)

test("so it is if it was captured, and what home lacks is no matter", function()
  local library, remove = table, table.remove
  table.own, table.remove = "own", nil
  equal(run(function() return library.own end), nil)
  table.own, table.remove = nil, remove
  if told then
    local list = reports()
    equal(#list, 1)
    contains(list[1], "module 'table': field 'own' was changed after loading (home has \"own\", goroutines get nil); ")
  end
end)

test("what a script has made of the module goroutine is told of, and how to do without", function()
  local now = goroutine.now
  goroutine.answer, goroutine.now = 42, function() return 0 end
  local ok, answer = await(async(function() return goroutine.answer, goroutine.now() > 0 end))
  goroutine.answer, goroutine.now = nil, now
  gives(values(true, nil), ok, answer)
  if told then
    local list = reports()
    equal(#list, 1)
    equal(list[1], "module 'goroutine': fields 'answer' (home has 42, goroutines get nil), 'now' (home has a function of its own, "
      .. "goroutines get the standard one) were changed after loading; a function or a table of another name would be sent as it is")
  end
end)

test("copy_modules sends a standard library as it is", function()
  goroutine.configure({ copy_modules = { "os", "string" } })
  gives(values(42, "own", "number"), run(function() return os.answer, os.clock(), type(os.time()) end))
  local library = string
  gives(values("x", "y", "UP"), run(function() return string.trim(" x "), library.trim(" y "), ("up"):upper() end))
  same(reports(), {})
end)

everywhere("wrong options", function()
  raises("bad argument #1 to 'configure' (unknown option 'copy_module', did you mean 'copy_modules'?)", goroutine.configure, { copy_module = { "a" } })
  raises("option 'copy_modules': list of strings expected, got string", goroutine.configure, { copy_modules = "config" })
  raises("option 'copy_modules': list of strings expected, got number", goroutine.configure, { copy_modules = { "a", 1 } })
  raises("option 'copy_modules': list of strings expected, got a string as a key", goroutine.configure, { copy_modules = { config = "yes" } })
  raises("module that can be copied expected, got 'goroutine'", goroutine.configure, { copy_modules = { "goroutine" } })
end)

finish()
