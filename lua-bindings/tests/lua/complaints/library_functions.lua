-- "`local insert = table.insert` at the head of my file, and no function of it can be sent: cannot copy a C function. With a
-- module it is worse: its whole table is copied, C functions and all, or it is nil over there."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["a module is required where it arrives, once in an isolate, and not copied"] = "goroutines have the modules of the script",
  ["what several modules have is required by the shortest name"] = "goroutines have the modules of the script",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- Found at home only: what had one of these names would not be found by a goroutine.
package.loaded.a = { insert = table.insert, floor = math.floor }
my_floor = math.floor

everywhere("C functions of the libraries, under names of one's own", function()
  local insert, remove, concat, floor, upper = table.insert, table.remove, table.concat, my_floor, string.upper
  gives(values(true, "A,2", 3, true), await(async(function()
    local list = {}
    insert(list, "a")
    insert(list, floor(2.5))
    insert(list, "gone")
    remove(list)
    list[1] = upper(list[1])
    return concat(list, ","), floor(3.9), insert == table.insert
  end)))
end)

everywhere("they come back as what they are", function()
  local ok, insert, of_module = await(async(function() return table.insert, goroutine.sleep end))
  gives(values(true, true, true), ok, insert == table.insert, of_module == goroutine.sleep)
end)

everywhere("libraries, in tables and captured, are the libraries there", function()
  local text, list = string, { math, os = os }
  gives(values(true, true, true, true), await(async(function(it)
    return text == string, list[1] == math, it.os == os
  end, list)))
end)

test("a module is required where it arrives, once in an isolate, and not copied", function()
  local loads = goroutine.atomic_int()
  package.preload.counted_module = function()
    return { load = loads:add(), name = "counted" }
  end
  local module = require("counted_module")
  equal(module.load, 1)
  local results = goroutine.await_all(goroutine.spawn_many(200, function()
    return module == require("counted_module"), module == package.loaded.counted_module, module.name, tostring(string)
  end))
  package.preload.counted_module = nil
  local isolates, count = {}, 0
  for _, result in ipairs(results) do
    assert(result.success, result.error)
    gives(values(true, true, "counted"), (table.unpack or unpack)(result.values, 1, 3))
    local isolate = result.values[4]
    if not isolates[isolate] then isolates[isolate], count = true, count + 1 end
  end
  equal(loads:load(), 1 + count)
  -- It differs from home's in its number, which is said once.
  if reports then contains(reports()[1], "field 'load' was changed") end
end)

test("what several modules have is required by the shortest name", function()
  -- To Lua this is a C function, and it is in no library.
  local function one_of_c(said)
    return { f = coroutine.wrap(function() coroutine.yield(said) end) }
  end
  package.preload.short = function() return one_of_c("of the short one") end
  package.preload["a longer name"] = function() return one_of_c("of the longer one") end
  local f = require("short").f
  require("a longer name").f = f
  gives(values(true, "of the short one", nil), await(async(function() return f(), package.loaded["a longer name"] end)))
  package.preload.short, package.preload["a longer name"] = nil, nil
end)

finish()
