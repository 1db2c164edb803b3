-- The module `goroutine.local`: what `goroutine` has, with goroutines that run in the home state itself. Called with: the
-- primitives of this flavour, and those of both in `shared`; the module of the other flavour; park, the value that a blocking
-- call yields; face (base.lua). Gives the module, something to keep as long as the state lives, and the error handler of its
-- goroutines.
local prim, parallel, park, face = ...

local type, select, error, tostring, rawget = type, select, error, tostring, rawget
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

-- Coroutines. A blocking call in a coroutine of the user's parks the whole goroutine, as in isolates: what it yields is
-- handed outward past coroutine.resume, which never shows it, and the coroutine goes on where it was. Only goroutines
-- yield `park`: the script itself blocks where it is.

local raw_yield, raw_create, raw_status, raw_close = coroutine.yield, coroutine.create, coroutine.status, coroutine.close
local raw_running, raw_isyieldable = coroutine.running, coroutine.isyieldable
local resume, in_main, pending = prim.resume, prim.in_main, prim.pending
local raising, expose = prim.raising, prim.expose

local step

local function passed(co, ok, ...)
  if ok and select("#", ...) == 1 then
    local first = ...
    if first == park or first == pending then
      return step(co, raw_yield(first))
    end
  end
  return ok, ...
end

function step(co, ...)
  return passed(co, resume(co, ...))
end

function coroutine.resume(co, ...)
  if type(co) ~= "thread" then
    error("bad argument #1 to 'resume' (thread expected, got " .. type(co) .. ")", 2)
  end
  return step(co, ...)
end

local function wrapped(co, ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "userdata" then
    raising() -- the error of a cancelled goroutine goes on its way
  end
  if raw_close and raw_status(co) ~= "running" then
    raw_close(co)
  end
  error(err, 0)
end

function coroutine.wrap(fn)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'wrap' (function expected, got " .. type(fn) .. ")", 2)
  end
  local co = raw_create(fn)
  return function(...)
    return wrapped(co, step(co, ...))
  end
end

coroutine.yield = prim.yielding

function coroutine.running()
  local co, main = raw_running()
  if in_main() then
    expose()
    return co, true
  end
  return co, main
end

if raw_isyieldable then
  function coroutine.isyieldable(...)
    if select("#", ...) > 0 then
      return raw_isyieldable(...)
    end
    return raw_isyieldable() and not in_main()
  end
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
