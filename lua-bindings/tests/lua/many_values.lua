-- As many arguments and results as Lua itself can do with; beyond that an error that says so, at the script's line.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["more than Lua can do with is an error that says what it can"] = "arguments and results are not copied: what fits on one stack fits on the next",
})
local goroutine = require("goroutine")

local unpack = table.unpack or unpack
local async, await = goroutine.async, goroutine.await
local last -- of so many that the Lua that is tested can pass
if math.type then
  last = 480000
else
  last = 3000
end

local function many(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return unpack(list, 1, n)
end

local function results(...) return select("#", ...), (select(-1, ...)) end

test("so many results", function()
  local handle = async(many, last)
  gives(values(last + 1, last), results(await(handle)))
  gives(values(last + 1, last), results(handle:await()))
end)

test("many results, through everything that gives them", function()
  local last = math.floor(last / 8)
  local handle = async(many, last)
  local list = goroutine.await_all({ handle })[1].values
  gives(values(last, last), list.n, list[last])
  gives(values(last + 2, last), results(goroutine.await_any({ handle })))
  gives(values(last + 1, last), results(goroutine.timeout(60000, many, last)))
  -- The pcall of Lua 5.1, in which scope calls its function, is compiled for tests with a check that it fails itself, where
  -- there are 20 results or more.
  local few = _VERSION == "Lua 5.1" and not jit and 15 or last
  gives(values(few, few), results(goroutine.scope(function() return many(few) end)))
  handle = async(function() return (select("#", goroutine.await(async(many, last)))) end)
  gives(values(true, last + 1), await(handle))
end)

test("so many arguments", function()
  local n = math.floor(last * 0.8)
  gives(values(true, n, n), await(async(results, many(n))))
end)

test("more than Lua can do with is an error that says what it can", function()
  local limit = math.type and 1000000 or 8000
  local ok, err = await(async(many, limit - 50))
  if math.type then
    equal(ok, false)
    contains(err, "too many values at once; a Lua stack has room for 1000000")
    contains(raises("too many values at once; a Lua stack has room for 1000000", function()
      async(print, many(limit - 60))
    end), "many_values.lua:")
  end
end)

finish()
