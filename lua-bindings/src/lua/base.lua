-- What every function of the module goes through. Primitives (written in Rust) return a number that says how it went,
-- then values; `settle` turns that into results, a park, or an error at the caller's line. Where an embedder's executor runs the
-- script, the number may be followed by two functions: one waits by yielding to it, the other one by blocking, and both answer as
-- primitives do.
--
-- Called with: resumed, the primitive that gives the reply after a park; abandon, which drops the wait of a call that
-- cannot park; park, the value that says to our own coroutine.resume that the whole goroutine parks; wrong(message), which
-- raises it with the script's position in front; CANNOT_PARK, a message; and face (below), where that need not be in Lua.
local resumed, abandon, park, wrong, CANNOT_PARK, face = ...

local error = error
local yield = coroutine.yield -- the real one: ours refuses in a goroutine's main coroutine
local isyieldable = coroutine.isyieldable -- the real one, likewise; Lua 5.1 and 5.2 have none

local DONE, PARK, WRONG, AWAIT = 0, 1, 2, 4

if _VERSION == "Lua 5.2" then
  -- It cannot be asked whether a coroutine may yield, but raises if it may not; and it yields across pcall.
  local pcall, raw_yield = pcall, yield
  function yield(value)
    if not pcall(raw_yield, value) then
      abandon()
      wrong(CANNOT_PARK)
    end
  end
end

-- Raises the message of a primitive that went wrong.
local function fail(how, message)
  if how == WRONG then
    wrong(message)
  end
  error(message, 0)
end

local function awaiter(yields, blocks)
  return isyieldable and not isyieldable() and blocks or yields
end

local function settle(how, ...)
  if how == DONE then
    return ...
  elseif how == PARK then
    if isyieldable and not isyieldable() then
      abandon()
      wrong(CANNOT_PARK)
    end
    return settle(resumed(yield(park)))
  elseif how == AWAIT then
    return settle(awaiter(...)())
  end
  fail(how, (...))
end

-- The same for functions that look at the outcome themselves: gives the number, then the values.
local function attempt(how, ...)
  if how == PARK then
    if isyieldable and not isyieldable() then
      abandon()
      return WRONG, CANNOT_PARK
    end
    return attempt(resumed(yield(park)))
  elseif how == AWAIT then
    return attempt(awaiter(...)())
  end
  return how, ...
end

-- A function of the module around a primitive. In Lua it can be seen in its caller's place on the call stack if that made a
-- tail call.
face = face or function(primitive)
  return function(...)
    return settle(primitive(...))
  end
end

return settle, face, attempt, fail
