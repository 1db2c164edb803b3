-- Scripts written for Go's shared memory, the same text with both flavours: `goroutine.local` runs them as they stand, and
-- `goroutine` says at the start what is wrong with them, where that is an assignment to a captured variable.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["goroutine refuses to start it, and names the variable and its line: *"] = "these are the goroutines that share",
})
local flavours = { shared = require("goroutine.local"), apart = require("goroutine") }

local scripts = {}

function scripts.counter(goroutine)
  local mutex, group, counter = goroutine.mutex(), goroutine.wait_group(), 0
  for _ = 1, 10 do
    group:add(1)
    goroutine.spawn(function()
      mutex:lock()
      local before = counter
      goroutine.sleep(0.2)
      counter = before + 1 -- counter
      mutex:unlock()
      group:done()
    end)
  end
  group:wait()
  return counter
end

function scripts.results(goroutine)
  local results, count, group = {}, 0, goroutine.wait_group()
  for i = 1, 3 do
    group:add(1)
    goroutine.spawn(function()
      goroutine.sleep(0.2 * i)
      count = count + 1 -- count
      results[count] = i * i
      group:done()
    end)
  end
  group:wait()
  table.sort(results)
  return table.concat(results, " ")
end

function scripts.flag(goroutine)
  local cond, ready, seen = goroutine.cond(), false, 0
  local mutex = cond:get_mutex()
  local waiting = goroutine.async(function()
    mutex:lock()
    while not ready do cond:wait() end
    seen = seen + 1 -- seen
    mutex:unlock()
  end)
  goroutine.async(function()
    mutex:lock()
    ready = true
    cond:broadcast()
    mutex:unlock()
  end):await()
  waiting:await()
  return seen
end

function scripts.readers(goroutine)
  local channel, group, lists, last = goroutine.channel(), goroutine.wait_group(), { {}, {} }, 0
  for i = 1, 2 do
    group:add(1)
    goroutine.spawn(function()
      channel:range(function(value)
        table.insert(lists[i], value)
        last = value -- last
      end)
      group:done()
    end)
  end
  for i = 1, 100 do channel:send(i) end
  channel:close()
  group:wait()
  return #lists[1] + #lists[2]
end

local wanted = { counter = 10, results = "1 4 9", flag = 1, readers = 100 }
local variables = { counter = "counter", results = "count", flag = "seen", readers = "last" }

-- The line of this file that ends with this comment.
local function line_of(comment)
  local number = 0
  for line in io.lines(arg[0]) do
    number = number + 1
    if line:sub(-#comment - 3) == "-- " .. comment then return number end
  end
end

for name, script in pairs(scripts) do
  test("goroutine.local runs it unchanged: " .. name, function()
    equal(script(flavours.shared), wanted[name])
    gives(values(true), flavours.shared.wait_all(30000))
  end)

  test("goroutine refuses to start it, and names the variable and its line: " .. name, function()
    local err = raises("cannot start a function that assigns to a variable it captured: '" .. variables[name] .. "'", script, flavours.apart)
    assert(err:find(":" .. line_of(variables[name]) .. ")", 1, true), err)
    assert(err:find("goroutine.local", 1, true), err)
  end)
end

finish()
