-- The module `goroutine.local`: what `goroutine` has, with goroutines that run in the home state itself. Called with: the
-- primitives of this flavour, and those of both in `shared`; the module of the other flavour; face (base.lua). Gives the
-- module, a function to be kept as long as the state lives and called once objects were made, and the error handler of its goroutines.
local prim, parallel, face = ...

local type, tostring, rawget = type, tostring, rawget
local next, ipairs, setmetatable, rawset = next, ipairs, setmetatable, rawset

local M = {}
for name, value in next, parallel do
  M[name] = value
end

-- What starts goroutines.
for _, name in ipairs({ "spawn", "spawn_many", "async", "timeout", "pool_create", "pipeline", "fan_out", "fan_in" }) do
  M[name] = prim.whole[name] or face(prim[name])
end
M.scope = prim.shared.scope_with(face(prim.scope_new))
M.context = prim.shared.context_giving(prim.context)

if not prim.resume then
  return M -- in an isolate, where none can be started
end

-- They notice the error of a cancelled goroutine, which is raised again at its next blocking call.
-- What the script has put in their place stays.
for name, standard in next, { pcall = prim.pcall and pcall, xpcall = prim.pcall and xpcall } do
  if standard and rawget(_G, name) == standard then
    rawset(_G, name, prim[name])
  end
end

-- Closing a stock interpreter's state calls finalizers, the youngest object's first. The last sentinel ends the goroutines: before
-- the module goes, and the objects that were there when it was made.
local wind_down, sentinel, renew = prim.wind_down, nil, nil
local function finalize(self)
  if self == sentinel then
    wind_down()
  end
end
if newproxy then -- Lua 5.1 and LuaJIT, where tables have no finalizers
  local newproxy, first = newproxy, newproxy(true)
  getmetatable(first).__gc = finalize
  function renew() sentinel = newproxy(first) end
else
  local finalized = { __gc = finalize }
  function renew() sentinel = setmetatable({}, finalized) end
end
renew()

-- The error handler of every goroutine: called where the failing functions are still on the stack.

local traceback = debug and debug.traceback
local getmetatable = debug and debug.getmetatable or getmetatable
local keep, clean = prim.keep_traceback, prim.clean

return M, renew, function(err)
  if type(err) == "userdata" then
    local mt = getmetatable(err)
    if type(mt) == "table" and rawget(mt, "__type") == "error" then
      err = clean(tostring(err)) -- an error of a Rust function, or its panic
    end
  end
  if traceback then
    keep(traceback("", 2))
  end
  return err
end
