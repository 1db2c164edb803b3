-- A coroutine of the user's in which a goroutine waits is in the midst of running: others that have got hold of it cannot resume
-- it, nor close it.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

-- Where goroutines of one state find what one of them has left there.
local KEY = fresh_name()

-- Runs `look(co)` in another goroutine of the state in which `make()`, called in a goroutine, parks, after it has left a coroutine.
-- Gives what it gives, and what `make` has returned when it was let go on.
local function looked_at(make, look)
  local gate = goroutine.channel()
  local key = KEY
  local owner = goroutine.async(function()
    local results = values(make(function(co) table[key] = co end, gate))
    table[key] = nil
    return (table.unpack or unpack)(results, 1, results.n)
  end)
  parked(owner)
  local seen
  eventually("a goroutine runs in that state", function()
    for _, handle in ipairs(goroutine.spawn_many(8, function()
      local co = table[key]
      return co and values(look(co))
    end)) do
      local ok, found = handle:await()
      assert(ok, found)
      seen = seen or found
    end
    return seen
  end)
  gate:send("through")
  return seen, values(owner:await())
end

-- What the one who looks finds, as strings.
local function look(co)
  local status = coroutine.status(co)
  local resumed, why = coroutine.resume(co, "nonsense")
  local closed, cannot = true, "no close"
  if coroutine.close then
    closed, cannot = pcall(coroutine.close, co)
  end
  return status, resumed, why, closed, cannot, coroutine.status(co)
end

local REFUSED = "cannot resume non-suspended coroutine"
if jit then
  REFUSED = "cannot resume running coroutine"
elseif _VERSION == "Lua 5.1" then
  REFUSED = "cannot resume normal coroutine"
end
local CLOSED, CANNOT = true, "no close"
if coroutine.close then
  CLOSED, CANNOT = false, "cannot close a normal coroutine"
end

local function is_refused(seen)
  same(seen, values("normal", false, REFUSED, CLOSED, CANNOT, "normal"))
end

test("one that waits is normal, and neither resumed nor closed by others", function()
  local seen, results = looked_at(function(leave, gate)
    local co = coroutine.create(function()
      local got = gate:receive()
      coroutine.yield(got)
      return "end"
    end)
    leave(co)
    local first = values(coroutine.resume(co))
    local between = coroutine.status(co)
    return first[2], between, select(2, coroutine.resume(co)), coroutine.status(co)
  end, look)
  is_refused(seen)
  same(results, values(true, "through", "suspended", "end", "dead"))
end)

test("those around it are, too", function()
  for _, which in ipairs({ "outer", "inner" }) do
    local seen, results = looked_at(function(leave, gate)
      return coroutine.wrap(function()
        local outer = coroutine.running()
        return coroutine.wrap(function()
          leave(which == "outer" and outer or coroutine.running())
          return (gate:receive())
        end)()
      end)()
    end, look)
    is_refused(seen)
    same(results, values(true, "through"))
  end
end)

test("a goroutine's own coroutine is not for others", function()
  local seen, results = looked_at(function(leave, gate)
    leave((coroutine.running()))
    return (gate:receive())
  end, look)
  is_refused(seen)
  same(results, values(true, "through"))
end)

test("the function of coroutine.wrap raises at the caller's line", function()
  local seen, results = looked_at(function(leave, gate)
    local inside
    inside = coroutine.wrap(function() return (gate:receive()) end)
    leave(inside)
    return inside()
  end, function(inside)
    return pcall(compiled("local inside = ...\n\ninside()\n"), inside)
  end)
  same(seen, values(false, "compiled:3: " .. REFUSED))
  same(results, values(true, "through"))
end)

everywhere("one that is between two waits is what it is elsewhere", function()
  local co
  co = coroutine.create(function()
    goroutine.sleep(0)
    local inside = coroutine.wrap(function() return coroutine.status(co), coroutine.resume(co) end)
    local status, ok, why = inside()
    gives(values("normal", false), status, ok)
    contains(why, "cannot resume ")
    return coroutine.status(co)
  end)
  gives(values(true, "running"), coroutine.resume(co))
  equal(coroutine.status(co), "dead")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("what closes a coroutine's variables may not wait, and says so", function()
  local gate = goroutine.channel()
  local handle = goroutine.async(compiled([[
    local goroutine, gate = ...
    local function guarded(act)
      return function()
        local guard <close> = setmetatable({}, { __close = function()
          coroutine.wrap(function() gate:receive() end)()
        end })
        act()
      end
    end
    local closed = coroutine.create(guarded(coroutine.yield))
    coroutine.resume(closed)
    local ok, err = coroutine.close(closed)
    return ok, err, pcall(coroutine.wrap(guarded(error)))
  ]]), goroutine, gate)
  local results = values(handle:await())
  equal(results.n, 5)
  same({ results[1], results[2], results[4] }, { true, false, false })
  contains(results[3], "cannot wait across a C-call boundary")
  contains(results[5], "cannot wait across a C-call boundary")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("what would be waited for comes from the script, and nothing hangs", function()
  local gate = goroutine.channel()
  local handle = goroutine.async(compiled([[
    local gate = ...
    for _ in coroutine.wrap(function()
      local guard <close> = setmetatable({}, { __close = function() gate:receive() end })
      error("broken", 0)
    end) do end
  ]]), gate)
  goroutine.sleep(1)
  equal(gate:send("late", 1), false)
  local ok, err = handle:await()
  equal(ok, false)
  contains(err, "cannot wait across a C-call boundary")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("the script itself may wait there", function()
  local source = [[
    local goroutine, how = ...
    local waited
    local co = coroutine.create(function()
      local guard <close> = setmetatable({}, { __close = function()
        goroutine.sleep(1)
        waited = true
      end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    return coroutine.close(co), waited
  ]]
  local results = values(pcall(compiled(source), goroutine))
  -- Where an executor of one thread runs the script, it must not block.
  if results[2] == true then
    same(results, values(true, true, true))
  end
end)

finish()
