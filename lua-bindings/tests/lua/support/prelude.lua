-- What the test files test with. Cargo's tests load this with hooks of their own (tests/support/mod.rs); a file that is run
-- by an interpreter, or by `sloth-runner run`, loads it itself, counts, and ends with exit code 1 if a test failed.
--
-- The functions for use within tests are globals that travel: goroutines use them too.
local hooks = ...

local goroutine = require("goroutine")
local math_type = math.type or type
local unpack = table.unpack or unpack

-- The Lua that runs this, as the marks below name it.
local this_lua = jit and "jit" or _VERSION:match("%d%.%d")

local passed, failed = 0, 0

local function tell(name, err)
  if hooks then
    hooks.ended(name, err)
  elseif err then
    failed = failed + 1
    io.stderr:write("FAILED: ", name, "\n", err, "\n")
  else
    passed = passed + 1
  end
end

local function explain(err)
  -- What lies below the test is always the same.
  return (debug.traceback(tostring(err), 2):gsub("%s*%[C%]: in function 'xpcall'.*", ""))
end

local skips = false

-- Says that the test that follows is none for some Luas, and why: unless_lua("5.1 jit", "no integers"). The page docs/luas.md is
-- made of these lines; each has to stand in one piece, right before its test.
function unless_lua(luas, reason)
  assert(reason and luas:find("^[5jit%d%. ]+$"), luas)
  for lua in luas:gmatch("%S+") do
    skips = skips or lua == this_lua
  end
end

-- Whether the goroutines of this file run in the home state itself: then nothing is copied, and nothing interrupts them.
local is_local = goroutine == package.loaded["goroutine.local"]

-- What differs under goroutine.local, in one place at the head of the file: which tests are none for it, by their names, and why.
-- A reason alone is for all tests of the file. In a name `*` stands for what a loop puts at its beginning or its end.
-- (tests/luas.rs sees to it that there are such tests.)
local differences, all_differ = {}, false

function differs_locally(what)
  if type(what) == "string" then
    all_differ = true
  else
    differences = what
  end
end

local function differs(name)
  for key in pairs(differences) do
    local first, last = key:sub(1, 1) == "*", key:sub(-1) == "*"
    if key == name or first and name:sub(1 - #key) == key:sub(2) or last and name:sub(1, #key - 1) == key:sub(1, -2) then
      return true
    end
  end
  return all_differ
end

-- Whether the mark before this test is for this Lua. For files with a function of their own that runs tests, too.
function skipped(name)
  local skip = skips or is_local and differs(name)
  skips = false
  if skip and hooks then
    hooks.skipped(name)
  end
  return skip
end

-- Runs a test: `name` is the promise it keeps.
function test(name, fn)
  if skipped(name) then
    return
  end
  if hooks then
    hooks.begins(name)
  end
  local ok, err = xpcall(fn, explain)
  tell(name, not ok and err or nil)
end

-- The same test twice: in the home state, whose blocking calls block the thread, and in a goroutine.
function everywhere(name, fn)
  if skipped(name) then
    return
  end
  test(name .. " (at home)", fn)
  test(name .. " (in a goroutine)", function()
    local ok, err, traceback = goroutine.await(goroutine.async(fn))
    if not ok then
      error(tostring(err) .. "\nin the goroutine: " .. traceback, 0)
    end
  end)
end

-- Ends a test file. Under cargo the harness goes on from here.
function finish()
  if hooks then
    return
  end
  print(passed .. " passed, " .. failed .. " failed")
  os.exit(failed == 0 and 0 or 1)
end

-- Values as messages show them.
function show(value)
  if type(value) == "string" then
    local text = ("%q"):format(value:sub(1, 300)):gsub("[\128-\255]", function(byte)
      return "\\" .. byte:byte()
    end)
    return #value > 300 and text .. "... (" .. #value .. " bytes)" or text
  elseif type(value) == "number" and math_type(value) ~= "integer" then
    return ("%.17g"):format(value) .. (math_type(value) == "float" and value % 1 == 0 and " (a float)" or "")
  end
  return tostring(value)
end

-- Many values as one, nils included.
function values(...)
  return { n = select("#", ...), ... }
end

local function alike(a, b)
  return rawequal(a, b) and math_type(a) == math_type(b)
end

function equal(got, wanted, what)
  if not alike(got, wanted) then
    error((what and what .. ": " or "") .. show(wanted) .. " expected, got " .. show(got), 2)
  end
end

-- A call's results, all of them: gives(values(true, nil), f()).
function gives(wanted, ...)
  local got = values(...)
  local same = got.n == wanted.n
  for i = 1, wanted.n do
    same = same and alike(got[i], wanted[i])
  end
  if not same then
    for _, list in ipairs({ got, wanted }) do
      for i = 1, list.n do
        list[i] = show(list[i])
      end
    end
    error(
      "results (" .. table.concat(wanted, ", ", 1, wanted.n) .. ") expected, got (" .. table.concat(got, ", ", 1, got.n) .. ")",
      2
    )
  end
end

-- Plain tables with equal contents.
function same(got, wanted, path, level)
  path, level = path or "it", level or 2
  if type(got) ~= "table" or type(wanted) ~= "table" then
    if not alike(got, wanted) then
      error(path .. ": " .. show(wanted) .. " expected, got " .. show(got), level)
    end
    return
  end
  for key, value in pairs(wanted) do
    same(got[key], value, path .. "[" .. show(key) .. "]", level + 1)
  end
  for key in pairs(got) do
    if wanted[key] == nil then
      error(path .. "[" .. show(key) .. "]: nothing expected, got " .. show(got[key]), level)
    end
  end
end

-- `text` stands in `message`, which is a string.
function contains(message, text)
  if type(message) ~= "string" then
    error("a message with " .. show(text) .. " expected, got a " .. type(message) .. ": " .. tostring(message), 2)
  end
  if not message:find(text, 1, true) then
    error("a message with " .. show(text) .. " expected, got " .. show(message), 2)
  end
end

-- `fn(...)` raises a string in which `text` stands. Gives the string.
function raises(text, fn, ...)
  local results = values(pcall(fn, ...))
  if results[1] then
    for i = 2, results.n do
      results[i] = show(results[i])
    end
    error("an error with " .. show(text) .. " expected, got the results (" .. table.concat(results, ", ", 2, results.n) .. ")", 2)
  end
  local err = results[2]
  if type(err) ~= "string" or not err:find(text, 1, true) then
    error("an error with " .. show(text) .. " expected, got " .. show(err), 2)
  end
  return err
end

-- How many seconds `eventually` has patience.
local patience = 20 * (hooks and hooks.slowness or 1)

local slowness = hooks and hooks.slowness or 1

-- How many of `n` a test does where everything takes much longer: `least` at the least, which is 1 unless said.
function scaled(n, least)
  if slowness == 1 then
    return n
  end
  return math.min(n, math.max(least or 1, math.floor(n / slowness)))
end

-- Waits until `condition()` is true, for what cannot be waited for otherwise.
function eventually(what, condition)
  local start = goroutine.now()
  while not condition() do
    if goroutine.now() - start > patience * 1000 then
      error("has not come to pass in " .. patience .. " s: " .. what, 2)
    end
    goroutine.sleep(0.2)
  end
end

-- Waits until a goroutine is parked.
function parked(handle)
  eventually("goroutine " .. handle:id() .. " is parked", function()
    return handle:status() == "waiting"
  end)
end

local names = goroutine.atomic_int()

-- A name that no other test has: for pools, which all goroutines see.
function fresh_name()
  return "name " .. names:add()
end

-- Occupies so many workers of a pool until the channel that it gives is closed.
function occupy_pool(name, workers)
  local started, gate = goroutine.channel(), goroutine.channel()
  for _ = 1, workers do
    assert(goroutine.pool_submit(name, function()
      started:send(true)
      gate:receive()
    end))
    started:receive()
  end
  return gate
end

-- Occupies all isolates with goroutines that compute, until the function that it gives is called.
function occupy_isolates()
  local busy, go_on = goroutine.atomic_int(), goroutine.atomic_int()
  local group = goroutine.wait_group()
  local function compute()
    busy:add()
    while go_on:load() == 0 do end
    group:done()
  end
  group:add(64)
  goroutine.spawn_many(64, compute)
  -- Isolates that were asleep take some time to wake.
  local last, since = 0, goroutine.now()
  while goroutine.now() - since < 50 do
    if busy:load() ~= last then
      last, since = busy:load(), goroutine.now()
    end
  end
  return function()
    go_on:add()
    equal(group:wait(60000), true)
  end
end

-- How many milliseconds a call takes, and its results.
function timed(fn, ...)
  local start = goroutine.now()
  local results = values(fn(...))
  return goroutine.now() - start, unpack(results, 1, results.n)
end

-- Collects garbage, so that what is unreachable is really gone.
function collect()
  for _ = 1, 3 do
    collectgarbage()
  end
end

-- A source text that only newer Lua can parse, as a function.
function compiled(source)
  return assert((loadstring or load)(source, "=compiled"))
end
