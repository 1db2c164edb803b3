-- What an isolate has in place of some standard functions. Called with: the primitives; settle (base.lua); complete(),
-- which makes the running goroutine's globals a complete table and returns it; park, the value that a blocking call
-- yields; pending, the value that an async function of the embedder's yields; alone(name), what to do with a module that only
-- home has; protected and protected_with, what takes the place of pcall and xpcall, if anything does.
local prim, settle, complete, park, pending, alone, protected, protected_with = ...

local type, select, error, tostring, rawget = type, select, error, tostring, rawget
local concat, coroutine, huge = table.concat, coroutine, math.huge

-- Coroutines. A blocking call in a coroutine of the user's parks the whole goroutine: what it yields is handed outward
-- past coroutine.resume, which never shows it, and the coroutine goes on where it was.
--
-- `depth` is how many coroutines deep the running code is in its goroutine: 0 in the goroutine's main coroutine. It is 0
-- again whenever a goroutine has parked, since every level restores its own.

local resume, raw_yield, raw_create = prim.resume, coroutine.yield, coroutine.create
local raw_running, raw_status, raw_isyieldable = coroutine.running, coroutine.status, coroutine.isyieldable
local expose, raising = prim.expose, prim.raising
local depth = 0

local step

local function passed(level, co, ok, ...)
  depth = level
  if ok and select("#", ...) == 1 then
    local first = ...
    if first == park or first == pending then
      return step(co, raw_yield(first))
    end
  end
  return ok, ...
end

function step(co, ...)
  local level = depth
  depth = level + 1
  return passed(level, co, resume(co, ...))
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
  if coroutine.close and raw_status(co) ~= "running" then
    coroutine.close(co)
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

local close = prim.close
if close then
  function coroutine.close(co)
    if type(co) ~= "thread" then
      error("bad argument #1 to 'close' (thread expected, got " .. type(co) .. ")", 2)
    end
    return close(co)
  end
end

function coroutine.yield(...)
  -- What an async function of the embedder's yields is for its driver, at any depth.
  if depth == 0 and (...) ~= pending then
    error("attempt to yield from outside a coroutine", 2)
  end
  return raw_yield(...)
end

function coroutine.running()
  local co = raw_running()
  if depth == 0 then
    expose()
    return co, true
  end
  return co, false
end

if raw_isyieldable then
  function coroutine.isyieldable(...)
    if select("#", ...) > 0 then
      return raw_isyieldable(...)
    end
    return depth > 0
  end
end

if protected then
  _G.pcall, xpcall = protected, protected_with -- `pcall` here is the local of this file
end

-- Code that is loaded in a goroutine gets the goroutine's globals, not the isolate's.

local raw_load, raw_loadfile = load, loadfile
local raw_setfenv = setfenv

if raw_setfenv then
  -- Lua 5.1 and LuaJIT: a chunk's environment is set after loading.
  local function with_environment(chunk, ...)
    if chunk then
      raw_setfenv(chunk, complete())
    end
    return chunk, ...
  end
  local raw_loadstring = loadstring
  function load(...)
    if select("#", ...) >= 4 then
      return raw_load(...)
    end
    return with_environment(raw_load(...))
  end
  function loadstring(...)
    return with_environment(raw_loadstring(...))
  end
  function loadfile(...)
    return with_environment(raw_loadfile(...))
  end

  -- What has the isolate's globals for its environment (the coroutine, C functions) has the goroutine's, to all appearances.
  local raw_getfenv, base = getfenv, _G
  function getfenv(of)
    of = of == nil and 1 or of
    local found = raw_getfenv(type(of) == "number" and of > 0 and of + 1 or of)
    local own = complete()
    return found == base and own or found
  end
  function setfenv(of, environment)
    if of == 0 then
      error("cannot set the environment of a goroutine's coroutine: set that of a function", 2)
    end
    local done = raw_setfenv(type(of) == "number" and of > 0 and of + 1 or of, environment)
    return done
  end
else
  function load(chunk, name, mode, ...)
    if select("#", ...) > 0 then
      return raw_load(chunk, name, mode, ...)
    end
    return raw_load(chunk, name, mode, complete())
  end
  function loadfile(name, mode, ...)
    if select("#", ...) > 0 then
      return raw_loadfile(name, mode, ...)
    end
    return raw_loadfile(name, mode, complete())
  end
end

function dofile(name)
  local chunk, err = loadfile(name)
  if not chunk then
    error(err, 0)
  end
  return chunk()
end

-- The last word on a module that is not found here.

local searchers = package.searchers or package.loaders
if type(searchers) == "table" then
  local loaded_at_home, break_before = prim.loaded_at_home, package.searchers and "" or "\n\t"
  searchers[#searchers + 1] = function(name)
    if type(name) == "string" and loaded_at_home(name) then
      return break_before .. alone(name)
    end
  end
end

-- One call writes in one piece: goroutines in several isolates write to the same stream.

local stdout = io.stdout
local write = stdout.write

function print(...)
  local parts = { ... }
  local n = select("#", ...)
  for i = 1, n do
    parts[i] = tostring(parts[i])
  end
  parts[n + 1] = "\n"
  write(stdout, concat(parts, "\t", 1, n) .. "\n")
end

local raw_write = io.write
function io.write(...)
  local parts = { ... }
  for i = 1, select("#", ...) do
    local kind = type(parts[i])
    if kind ~= "string" and kind ~= "number" then
      error("bad argument #" .. i .. " to 'write' (string expected, got " .. type(parts[i]) .. ")", 2)
    end
  end
  return raw_write(concat(parts))
end

-- Ending the process ends all goroutines first, as at the end of the script.

local exit = prim.exit
function os.exit(code, _)
  if code == nil or code == true then
    code = 0
  elseif code == false then
    code = 1
  elseif type(code) ~= "number" then
    error("bad argument #1 to 'exit' (number expected, got " .. type(code) .. ")", 2)
  elseif code % 1 ~= 0 then
    error("bad argument #1 to 'exit' (number has no integer representation)", 2)
  end
  exit(code)
  -- The process ends when everything has unwound; this goroutine is cancelled here.
  return settle(prim.sleep(huge))
end

-- The error handler of every goroutine: called where the failing functions are still on the stack.

local traceback = debug and debug.traceback
local getmetatable = debug and debug.getmetatable or getmetatable
local keep, clean = prim.keep_traceback, prim.clean

return function(err)
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
