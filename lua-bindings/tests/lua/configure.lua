-- configure: what can be set before the first goroutine. Each part runs in a process or a runtime of its own, so the order is that
-- of the file: nothing before the last test starts a goroutine.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["on_start has run once in each isolate, and what it set is seen"] = "there are no isolates to set up",
  ["a goroutine that takes too much fails, and names the limit"] = "there are no isolates to set up",
  ["new functions without end stay within it"] = "there are no isolates to set up",
  ["later is too late"] = "there are no isolates to set up",
})
local goroutine = require("goroutine")

local MEMORY = 64 * 1024 * 1024
local base = 20

test("wrong options are refused, and change nothing", function()
  raises("unknown option 'isolate', did you mean 'isolates'?", goroutine.configure, { isolate = 2 })
  raises("option 'isolates': whole number from 1 to 1024 expected, got 0", goroutine.configure, { isolates = 0 })
  raises("option 'isolates': number expected, got string", goroutine.configure, { isolates = "2" })
  raises("option 'memory_limit': whole number from 1048576", goroutine.configure, { memory_limit = 1000 })
  raises("option 'on_start': function expected, got number", goroutine.configure, { on_start = 5 })
  raises("option 'max_blocked': whole number from 1 to 100000 expected, got 0.5", goroutine.configure, { max_blocked = 0.5 })
  raises("cannot send", goroutine.configure, { isolates = 1, on_start = function() return io.stdout end and function() return io.stdout:seek() end
    and (function() local file = io.tmpfile() return function() return file end end)() })
end)

test("the options together", function()
  goroutine.configure({ isolates = 3, max_blocked = 7 })
  if not jit then
    goroutine.configure({ memory_limit = MEMORY })
  end
  goroutine.configure({
    on_start = function()
      started_with = (started_with or base) + 1
      -- What every isolate has can be used, though there is none yet that could tell.
      upper, libraries = string.upper("ab"), type(math.floor) .. type(_G.pcall)
    end,
  })
  goroutine.configure({ isolates = 3 }) -- none has been started
  equal(goroutine.stats().isolates, 3)
end)

test("on_start has run once in each isolate, and what it set is seen", function()
  gives(values(true, "AB", "functionfunction"), goroutine.async(function() return upper, libraries end):await())
  local handles = {}
  for i = 1, 20 do
    handles[i] = goroutine.async(function() goroutine.sleep(1) return started_with end)
  end
  for _, result in ipairs(goroutine.await_all(handles)) do
    equal(result.values[1], 21)
  end
  equal(goroutine.stats().isolates, 3)
  equal(rawget(_G, "started_with"), nil)
end)

unless_lua("jit", "no limit for memory")
test("a goroutine that takes too much fails, and names the limit", function()
  local ok, err = goroutine.async(function()
    local all = {}
    -- Unlike each other throughout: Lua 5.1 looks at some of a long string's bytes only to tell whether it has it already.
    for i = 1, 1e9 do all[i] = (i .. " "):rep(200) end
  end):await()
  equal(ok, false)
  contains(err, "not enough memory")
  contains(err, tostring(MEMORY))
  contains(err, "memory_limit")
  -- Its isolate goes on.
  for _ = 1, 10 do gives(values(true, 1), goroutine.async(function() return 1 end):await()) end
end)

unless_lua("jit", "no limit for memory")
test("new functions without end stay within it", function()
  local size = 50000
  for i = 1, math.ceil(1.5 * MEMORY / size) do
    local made = compiled("return '" .. ("y"):rep(size) .. i .. "'")
    local ok, text = goroutine.async(made):await()
    equal(ok, true, text)
    equal(#text, size + #tostring(i))
  end
end)

test("later is too late", function()
  for _, option in ipairs({ "isolates", "memory_limit", "max_blocked" }) do
    raises("configure: '" .. option .. "' has to be set before the first goroutine: the isolates are running",
      goroutine.configure, { [option] = 2 ^ 30 > 1024 and option == "memory_limit" and 2 ^ 30 or 2 })
  end
  local ok, err = goroutine.async(function() goroutine.configure({ on_start = function() end }) end):await()
  equal(ok, false)
  contains(err, "before it starts a goroutine")
end)

finish()
