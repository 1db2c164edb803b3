-- What goroutines have in place of the functions of `coroutine`, in isolates and in a home state with goroutines of its own. Called
-- with: the primitives; park, the value that a blocking call yields; pending, the value that an async function of the embedder's yields.
--
-- A blocking call in a coroutine of the user's parks the whole goroutine: what it yields is handed outward past
-- coroutine.resume, which never shows it, and the coroutine goes on where it was.
local prim, park, pending = ...

local type, select, error, pcall = type, select, error, pcall
local coroutine, setmetatable, rawget = coroutine, setmetatable, rawget
local raw_create, raw_yield, raw_resume, raw_wrap = coroutine.create, coroutine.yield, coroutine.resume, coroutine.wrap
local raw_status, raw_running, raw_close = coroutine.status, coroutine.running, coroutine.close
local raw_isyieldable = coroutine.isyieldable
local resume, close, in_main, expose, raising = prim.resume, prim.close, prim.in_main, prim.expose, prim.raising
local refuse, blame, cannot_park = prim.refuse, prim.blame, prim.cannot_park

local version = not rawget(_G, "jit") and _VERSION
local NOT_SUSPENDED = "cannot resume non-suspended coroutine"
if not version then
  NOT_SUSPENDED = "cannot resume running coroutine" -- LuaJIT
elseif version == "Lua 5.1" then
  NOT_SUSPENDED = "cannot resume normal coroutine"
end

-- Coroutines that Lua takes for suspended, since a goroutine parks inside them, and that are not for others to resume: they are
-- in the midst of running. A goroutine's own coroutine is, from the moment that somebody has got hold of it.
local held = setmetatable({}, { __mode = "k" })

local step

local function resumed(co, ...)
  held[co] = nil
  return step(co, ...)
end

local function passed(co, ok, ...)
  if ok and select("#", ...) == 1 then
    local first = ...
    if first == park or first == pending then
      if first == park and raw_isyieldable and not raw_isyieldable() then
        cannot_park()
        return step(co) -- the call that waits raises there
      end
      held[co] = true
      return resumed(co, raw_yield(first))
    end
  end
  return ok, ...
end

function step(co, ...)
  return passed(co, resume(co, ...))
end

function coroutine.resume(...)
  local co = ...
  if type(co) ~= "thread" then
    refuse(pcall(raw_resume, ...))
  elseif held[co] and raw_status(co) == "suspended" then
    return false, NOT_SUSPENDED
  end
  return step(...)
end

-- Gives `true, values...` or `false, error`.
local function concluded(co, ok, ...)
  if ok then
    return true, ...
  end
  local err = ...
  if type(err) == "userdata" then
    raising() -- the error of a cancelled goroutine goes on its way
  end
  if close and raw_status(co) == "dead" then
    local closed, instead = close(co)
    if not closed then
      err = instead
    end
  end
  return false, err
end

local function wrapped(ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "string" and err ~= "not enough memory" then
    blame(err)
  end
  error(err, 0)
end

-- The same in C, where C functions can yield: then it leaves its caller on the call stack in a tail call, too.
local wrapping = prim.wrapper and prim.wrapper(resume, function(co, ...)
  return concluded(co, passed(co, ...))
end, held, park, pending)

function coroutine.wrap(...)
  local made, co = pcall(raw_create, ...)
  if not made then
    refuse(pcall(raw_wrap, ...))
  elseif wrapping then
    return wrapping(co)
  end
  return function(...)
    if held[co] and raw_status(co) == "suspended" then
      blame(NOT_SUSPENDED)
    end
    return wrapped(concluded(co, step(co, ...)))
  end
end

function coroutine.status(...)
  local co = ...
  if type(co) ~= "thread" then
    refuse(pcall(raw_status, ...))
  end
  local status = raw_status(co)
  if status == "suspended" and held[co] then
    return "normal"
  end
  return status
end

if raw_close then
  function coroutine.close(...)
    local co = ...
    if type(co) == "thread" then
      local status = raw_status(co)
      if status == "suspended" and held[co] then
        refuse(false, "cannot close a normal coroutine")
      elseif status == "suspended" or status == "dead" then
        return close(co)
      end
    end
    if version == "Lua 5.5" and (select("#", ...) == 0 or co == raw_running()) then
      if in_main() then
        refuse(false, "cannot close main thread")
      end
      return raw_close() -- the running one, which ends here
    end
    refuse(pcall(raw_close, ...))
  end
end

coroutine.yield = prim.yielding

function coroutine.running()
  local co, main = raw_running()
  if in_main() then
    expose()
    held[co] = true
    return co, true
  end
  return co, main
end

if raw_isyieldable then
  local takes_one = version == "Lua 5.4" or version == "Lua 5.5"
  function coroutine.isyieldable(...)
    if takes_one and select("#", ...) > 0 then
      if type((...)) ~= "thread" then
        refuse(pcall(raw_isyieldable, ...))
      end
      return raw_isyieldable((...))
    end
    return raw_isyieldable() and not in_main()
  end
end
