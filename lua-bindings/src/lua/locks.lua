-- The Lua part of locks: what calls a function of the script's. Called with what module.lua is called with, and the
-- module's table. No lock of ours is held while a function runs but the one that the script has asked for.
local prim, settle, face, attempt, M = ...

local error, pcall, ipairs = error, pcall, ipairs
local methods, whole = prim.methods, prim.whole

for _, name in ipairs({ "mutex", "rwmutex", "semaphore", "once", "cond", "barrier" }) do
  M[name] = face(prim[name])
end

local function add(class, names)
  local index = methods[class]
  for _, name in ipairs(names) do
    local key = class .. "_" .. name
    index[name] = whole[key] or face(prim[key])
  end
  return index
end

-- A method that mostly has nothing to wait for. Most of what it would cost is in going through `settle`.
local function add_quick(class, name)
  local key = class .. "_" .. name
  local primitive, at_once = prim[key], prim[key .. "_at_once"]
  methods[class][name] = function(...)
    local ok, note = at_once(...)
    if ok then
      if note then
        return true, note
      end
      return true
    end
    return settle(primitive(...))
  end
end

for _, method in ipairs({ { "mutex", "lock" }, { "rwmutex", "lock" }, { "rwmutex", "rlock" }, { "semaphore", "acquire" } }) do
  add_quick(method[1], method[2])
end
local mutex = add("mutex", { "unlock", "try_lock" })
local rwmutex = add("rwmutex", { "unlock", "try_lock", "runlock", "try_rlock" })
local semaphore = add("semaphore", { "release", "try_acquire", "available", "capacity" })
local once = add("once", {})
add("cond", { "get_mutex", "wait", "signal", "broadcast" })
add("barrier", { "wait" })

-- Calls a function between `enter`, a primitive that may wait, and `leave`, which does not.
local function with(enter, leave)
  local function left(self, ok, ...)
    local how, message = leave(self)
    if not ok then
      error((...), 0)
    elseif how ~= 0 then
      error(message, 2) -- the function itself has unlocked
    end
    return true, ...
  end

  local function entered(self, fn, outcome, ok, note)
    if outcome ~= 0 then
      error(ok, outcome == 2 and 2 or 0)
    elseif not ok then
      return false, note
    end
    return left(self, pcall(fn, note))
  end

  return function(...)
    local self, fn = ...
    return entered(self, fn, attempt(enter(...)))
  end
end

mutex.with = with(prim.mutex_with, prim.mutex_unlock)
rwmutex.with = with(prim.rwmutex_with, prim.rwmutex_unlock)
rwmutex.rwith = with(prim.rwmutex_rwith, prim.rwmutex_runlock)
semaphore.with = with(prim.semaphore_with, prim.semaphore_leave)

local once_call, once_finish = prim.once_call, prim.once_finish

local function begun(self, fn, outcome, done, why)
  if outcome ~= 0 then
    error(done, outcome == 2 and 2 or 0)
  elseif done then
    return true
  elseif done == false then
    return false, why
  end
  local ok, err = pcall(fn)
  once_finish(self)
  if not ok then
    error(err, 0)
  end
  return true
end

function once.call(...)
  local self, fn = ...
  return begun(self, fn, attempt(once_call(...)))
end
