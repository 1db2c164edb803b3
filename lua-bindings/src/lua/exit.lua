-- os.exit: goroutines are cancelled and unwind before the process ends. Called with: the function that ends it; what is done before,
-- once the arguments are known to be right; refuse (raw/refusal.rs).
local exit, shutdown, refuse = ...

local type, tonumber = type, tonumber
-- A host may have no such library, and forbid looking for globals that are none.
local math = rawget(_G, "math")
local tointeger = type(math) == "table" and math.tointeger
local booleans = _VERSION ~= "Lua 5.1" or rawget(_G, "jit")

-- Why Lua's own would refuse this argument, if it would. Nothing has to end for that.
local function refused(code)
  local kind = type(code)
  if code == nil or kind == "boolean" and booleans then
    return nil
  end
  local number = (kind == "number" or kind == "string") and tonumber(code)
  if not number then
    return "number expected, got " .. kind
  elseif tointeger and not tointeger(number) then
    return "number has no integer representation"
  end
end

return function(...)
  local why = refused((...))
  if why then
    refuse(false, "bad argument #1 to '?' (" .. why .. ")")
  end
  shutdown()
  return exit(...)
end
