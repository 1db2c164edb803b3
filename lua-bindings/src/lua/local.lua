-- The module `goroutine.local`: what `goroutine` has, with goroutines that run in the home state itself. Called with: the
-- primitives of this flavour, and those of both in `shared`; the module of the other flavour; face (base.lua). Gives the
-- module, something to keep as long as the state lives, and the error handler of its goroutines.
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

-- Closing a stock interpreter's state calls finalizers, the youngest object's first: the goroutines end before the module does.
local sentinel
if newproxy then -- Lua 5.1 and LuaJIT, where tables have no finalizers
  sentinel = newproxy(true)
  getmetatable(sentinel).__gc = prim.wind_down
else
  sentinel = setmetatable({}, { __gc = prim.wind_down })
end

-- The error handler of every goroutine: called where the failing functions are still on the stack.

local traceback = debug and debug.traceback
local getmetatable = debug and debug.getmetatable or getmetatable
local keep, clean = prim.keep_traceback, prim.clean

return M, sentinel, function(err)
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
