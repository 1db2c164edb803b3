-- What every function of the module goes through. Primitives (written in Rust) return a number that says how it went,
-- then values; `settle` turns that into results, a park, or an error at the caller's line.
--
-- Called with: resumed, the primitive that gives the reply after a park; abandon, which drops the wait of a call that
-- cannot park; park, the value that says to our own coroutine.resume that the whole goroutine parks.
local resumed, abandon, park = ...

local error = error
local yield = coroutine.yield -- the real one: ours refuses in a goroutine's main coroutine
local isyieldable = coroutine.isyieldable -- the real one, likewise; Lua 5.1 and 5.2 have none

local CANNOT_PARK = "cannot wait across a C-call boundary: in a function that a C function has called (a comparison for "
  .. "table.sort, say, or a module that is being loaded)"

local DONE, PARK, WRONG = 0, 1, 2

if _VERSION == "Lua 5.2" then
  -- It cannot be asked whether a coroutine may yield, but raises if it may not; and it yields across pcall.
  local pcall, raw_yield = pcall, yield
  function yield(value)
    if not pcall(raw_yield, value) then
      abandon()
      error(CANNOT_PARK, 3)
    end
  end
end

-- Called as a tail call by the function whose call it settles, so level 2 is the script's line.
local function settle(how, ...)
  if how == DONE then
    return ...
  elseif how == PARK then
    if isyieldable and not isyieldable() then
      abandon()
      error(CANNOT_PARK, 2)
    end
    return settle(resumed(yield(park)))
  elseif how == WRONG then
    error((...), 2)
  end
  error((...), 0)
end

-- The same for functions that look at the outcome themselves: gives the number, then the values.
local function attempt(how, ...)
  if how == PARK then
    if isyieldable and not isyieldable() then
      abandon()
      return WRONG, CANNOT_PARK
    end
    return attempt(resumed(yield(park)))
  end
  return how, ...
end

-- A function of the module around a primitive.
local function face(primitive)
  return function(...)
    return settle(primitive(...))
  end
end

return settle, face, attempt
