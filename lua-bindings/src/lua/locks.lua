-- The Lua part of locks: what calls a function of the script's. Called with what module.lua is called with, and the
-- module's table. No lock of ours is held while a function runs but the one that the script has asked for.
local prim, settle, face, attempt, M = ...

local fail = prim.fail
local error, pcall, ipairs, type = error, pcall, ipairs, type
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

-- A method that mostly has nothing to wait for. Where its face is a function in Lua, most of what it would cost is in going
-- through `settle`.
local function add_quick(class, name)
  local key = class .. "_" .. name
  local primitive, at_once = prim[key], prim[key .. "_at_once"]
  if prim.native_faces then
    methods[class][name] = face(primitive)
    return
  end
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

-- Calls a function between two primitives. Both are tried in the way that is quick first, as in `add_quick`.
local function with(enter, leave, enter_at_once, leave_at_once)
  local function left(self, ok, ...)
    if not leave_at_once(self) then
      local _, message = leave(self)
      if ok then
        error(message, 2) -- the function itself has unlocked
      end
    end
    if not ok then
      error((...), 0)
    end
    return true, ...
  end

  local function entered(self, fn, outcome, ok, note)
    if outcome ~= 0 then
      fail(outcome, ok)
    elseif not ok then
      return false, note
    end
    return left(self, pcall(fn, note))
  end

  return function(...)
    local self, fn, ms = ...
    if type(fn) == "function" then
      local ok, note = enter_at_once(self, ms)
      if ok then
        return left(self, pcall(fn, note))
      end
    end
    return entered(self, fn, attempt(enter(...)))
  end
end

local function with_lock(class, name, enter, leave)
  local lock, unlock = prim[class .. "_" .. name], prim[class .. "_" .. leave]
  return with(lock, unlock, prim[class .. "_" .. enter .. "_at_once"], prim[class .. "_" .. leave .. "_at_once"])
end

mutex.with = with_lock("mutex", "with", "lock", "unlock")
rwmutex.with = with_lock("rwmutex", "with", "lock", "unlock")
rwmutex.rwith = with_lock("rwmutex", "rwith", "rlock", "runlock")
semaphore.with = with_lock("semaphore", "with", "with", "leave")

local once_call, once_finish = prim.once_call, prim.once_finish

local function begun(self, fn, outcome, done, why)
  if outcome ~= 0 then
    fail(outcome, done)
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
