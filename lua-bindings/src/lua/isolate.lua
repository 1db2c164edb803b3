-- What an isolate has in place of some standard functions, besides those of coroutines.lua. Called with: the primitives; settle
-- (base.lua); complete(), which makes the running goroutine's globals a complete table and returns it; alone(name), what to do with
-- a module that only home has; protected and protected_with, what takes the place of pcall and xpcall, if anything does.
local prim, settle, complete, alone, protected, protected_with = ...

local type, select, error, tostring, rawget = type, select, error, tostring, rawget
local concat, huge, pcall, refuse = table.concat, math.huge, pcall, prim.refuse

if protected then
  _G.pcall, xpcall = protected, protected_with -- `pcall` here is the local of this file
end

-- Code that is loaded in a goroutine gets the goroutine's globals, not the isolate's.

local raw_load, raw_loadfile, raw_dofile = load, loadfile, dofile
local raw_setfenv = setfenv
local plain_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")

local function is_text(value)
  local kind = type(value)
  return value == nil or kind == "string" or kind == "number"
end

-- Whether these are surely right arguments for `load`.
local function loads(chunk, name, mode)
  return (type(chunk) == "function" or chunk ~= nil and is_text(chunk) and not plain_51) and is_text(name) and is_text(mode)
end

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
    if not loads(...) then
      local ok, why = pcall(raw_load, ...)
      if not ok then
        refuse(ok, why)
      end
    end
    if select("#", ...) >= 4 then
      return raw_load(...)
    end
    return with_environment(raw_load(...))
  end
  function loadstring(...)
    local chunk, name = ...
    if chunk == nil or not (is_text(chunk) and is_text(name)) then
      local ok, why = pcall(raw_loadstring, ...)
      if not ok then
        refuse(ok, why)
      end
    end
    return with_environment(raw_loadstring(...))
  end
  function loadfile(...)
    if not is_text((...)) then
      refuse(pcall(raw_loadfile, ...))
    end
    return with_environment(raw_loadfile(...))
  end

  -- What has the isolate's globals for its environment (the coroutine, C functions) has the goroutine's, to all appearances.
  local raw_getfenv, base = getfenv, _G
  local function further_out(of)
    return type(of) == "number" and of > 0 and of + 2 or of -- pcall and the function that calls it lie in between
  end
  function getfenv(of)
    of = of == nil and 1 or of
    local ok, found = pcall(raw_getfenv, further_out(of))
    if not ok then
      refuse(ok, found)
    end
    local own = complete()
    return found == base and own or found
  end
  function setfenv(...)
    local of = ...
    if of == 0 then
      error("cannot set the environment of a goroutine's coroutine: set that of a function", 2)
    end
    local ok, done = pcall(raw_setfenv, further_out(of), select(2, ...))
    if not ok then
      refuse(ok, done)
    end
    return done
  end
else
  function load(...)
    local chunk, name, mode = ...
    if not loads(chunk, name, mode) then
      local ok, why = pcall(raw_load, ...)
      if not ok then
        refuse(ok, why)
      end
    end
    if select("#", ...) > 3 then
      return raw_load(...)
    end
    return raw_load(chunk, name, mode, complete())
  end
  function loadfile(...)
    local name, mode = ...
    if not (is_text(name) and is_text(mode)) then
      refuse(pcall(raw_loadfile, ...))
    end
    if select("#", ...) > 2 then
      return raw_loadfile(...)
    end
    return raw_loadfile(name, mode, complete())
  end
end

function dofile(...)
  if not is_text((...)) then
    refuse(pcall(raw_dofile, ...))
  end
  local chunk, err = loadfile((...))
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

local printed = prim.printed

function print(...)
  write(stdout, printed(...))
end

local raw_write = io.write
function io.write(...)
  local parts = { ... }
  for i = 1, select("#", ...) do
    local kind = type(parts[i])
    if kind ~= "string" and kind ~= "number" then
      refuse(false, "bad argument #" .. i .. " to '?' (string expected, got " .. type(parts[i]) .. ")")
    end
  end
  return raw_write(concat(parts))
end

-- Ending the process ends all goroutines first, as at the end of the script.

local exit = prim.exit
function os.exit(code, _) -- its arguments are right (exit.lua)
  if code == nil or code == true then
    code = 0
  elseif code == false then
    code = 1
  end
  exit(code + 0)
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
