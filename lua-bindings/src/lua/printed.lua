-- What `print` writes for its arguments, by the rules of the standard one: also what it says of one without a text, and where.
-- Called with: refuse (raw/refusal.rs). Gives text(...), for functions that take the place of `print`.
local refuse = ...

local concat, error, rawget, select, tostring, type = table.concat, error, rawget, select, tostring, type
local metatable_of = debug and debug.getmetatable or getmetatable
local older = _VERSION == "Lua 5.1" or _VERSION == "Lua 5.2"
local NO_TEXT = older and "'tostring' must return a string to 'print'" or "'__tostring' must return a string"

-- Not by `tostring` where the script says how: that would complain of it as what we have called, not what the script has.
local function text_of(value)
  local metatable = type(value) ~= "string" and metatable_of(value)
  local telling = type(metatable) == "table" and rawget(metatable, "__tostring")
  if not telling then
    return tostring(value)
  end
  local text = telling(value)
  if type(text) ~= "string" and type(text) ~= "number" then
    if _VERSION == "Lua 5.3" then
      error(NO_TEXT, 0) -- its `print` calls the function `tostring`, whose caller has no line
    end
    refuse(false, NO_TEXT)
  end
  return text
end

return function(...)
  local n = select("#", ...)
  if n == 1 then
    return text_of((...)) .. "\n"
  end
  local parts = { ... }
  for i = 1, n do
    parts[i] = text_of(parts[i])
  end
  return concat(parts, "\t", 1, n) .. "\n"
end
