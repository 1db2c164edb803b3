-- What every function of the module goes through. Primitives (written in Rust) return a number that says how it went,
-- then values; `settle` turns that into results, a park, or an error at the caller's line.
--
-- Called with: resumed, the primitive that gives the reply after a park; park, the value that says to our own
-- coroutine.resume that the whole goroutine parks.
local resumed, park = ...

local error = error
local yield = coroutine.yield -- the real one: ours refuses in a goroutine's main coroutine

local DONE, PARK, WRONG = 0, 1, 2

-- Called as a tail call by the function whose call it settles, so level 2 is the script's line.
local function settle(how, ...)
  if how == DONE then
    return ...
  elseif how == PARK then
    return settle(resumed(yield(park)))
  elseif how == WRONG then
    error((...), 2)
  end
  error((...), 0)
end

-- The same for functions that look at the outcome themselves: gives the number, then the values.
local function attempt(how, ...)
  if how == PARK then
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
