-- THE SEAM. How tasks wait and overlap. The engine uses these six functions, and nothing else, to run things beside each other:
--
--   start(name, fn)                begins fn() as a strand
--   step()                         goes on until one more strand has ended; false if the program was interrupted
--   sleep(seconds)                 in a strand: lets the others go on meanwhile
--   shell(line, options)           in a strand: exec.run(line, options), while the others go on
--   call(limit, task, fn, ...)     calls a function of the script's for a task, at most for `limit` seconds (nil: as long as it takes):
--                                  "ok" and its values, or "error" | "timeout" | "interrupted", a message, a traceback
--                                  and, of an error, its value
--   try(fn, ...)                   in a strand: true if fn(...) raises nothing, otherwise false and the text of the error
--
-- Strands are goroutines of `goroutine.local`: whatever waits lets the others go on, and all share the script's variables.
--
-- Called with: goroutine.local and exec, the modules; enter(task, limit), called in such a function's goroutine before it, and leave(id,
-- limit) after it, which says whether the time was up; quiet(), called when the function has returned; interrupted();
-- describe(err), the text of an error value.
local goroutine, exec, enter, leave, quiet, interrupted, describe = ...

local error, pcall, next, type, pack, unpack, remove = error, pcall, next, type, table.pack, table.unpack, table.remove
local find = string.find

-- How long a function may take to unwind when its time is over.
local GRACE = 1000

local M = {}
local strands = {}

-- The functions that are being waited for, and why some of these will be waited for in vain.
local calls, deadlocked = {}, {}

local DEADLOCK = "all goroutines are asleep - deadlock!"

-- What a deadlock is called where the one who waits is a task: the rest of the message speaks of our own waiting.
local function deadlock_of(err)
  return type(err) == "string" and find(err, DEADLOCK, 1, true) and DEADLOCK or nil
end

function M.start(name, fn)
  local strand = goroutine.async(fn)
  strand:name("task " .. name)
  strands[#strands + 1] = strand
end

-- Nothing can wake the functions that tasks have called: they end with that error. Whether there were any.
local function fail_calls(message)
  local any = false
  for handle in next, calls do
    if not deadlocked[handle] then
      any, deadlocked[handle] = true, message
      handle:cancel(message)
    end
  end
  return any
end

function M.step()
  local waited, index, ok, err, trace
  repeat
    waited, index, ok, err, trace = pcall(goroutine.await_any, strands)
    if interrupted() then
      return false
    end
    local message = not waited and deadlock_of(index)
    if not waited and not (message and fail_calls(message)) then
      error(index, 0)
    end
  until waited
  remove(strands, index)
  if not ok then
    error(describe(err) .. "\n" .. (trace or ""), 0)
  end
  return true
end

function M.try(fn, ...)
  local ok, err = pcall(fn, ...)
  if not ok and interrupted() then
    error(err, 0) -- it unwinds
  end
  return ok, not ok and describe(err) or nil
end

function M.sleep(seconds)
  goroutine.sleep(seconds * 1000)
end

function M.shell(line, options)
  return exec.run(line, options)
end

-- Not a tail call: the coroutine is used again for other goroutines.
local function returned(...)
  quiet()
  return ...
end

-- What tracebacks call the function is the name of the variable.
local function run(task, limit, command, ...)
  enter(task, limit)
  return returned(command(...))
end

local function attempt(ok, ...)
  return ok, pack(...)
end

function M.call(limit, task, fn, ...)
  local handle = goroutine.async(run, task, limit, fn, ...)
  handle:name("function of " .. task.name)
  calls[handle] = true
  local waited, results = attempt(pcall(handle.await, handle, limit and limit * 1000))
  calls[handle] = nil
  if not waited then
    local message = deadlock_of(results[1])
    if not message or interrupted() then
      error(results[1], 0) -- it unwinds
    end
    -- A hook of a workflow, which runs while no task does.
    handle:cancel(message)
    handle:await(GRACE)
    leave(handle:id(), limit)
    return "error", message, ""
  end
  local status = handle:status()
  local late = status == "running" or status == "waiting" or status == "queued"
  if late then
    handle:cancel("timeout exceeded")
    handle:await(GRACE)
  end
  local overdue = leave(handle:id(), limit) or late
  local message = deadlocked[handle]
  deadlocked[handle] = nil
  if interrupted() then
    return "interrupted", "interrupted", ""
  elseif message then -- even if the function has caught the error
    return "error", message, ""
  elseif overdue then
    return "timeout", "timeout exceeded", ""
  elseif results[1] then
    return "ok", unpack(results, 2, results.n)
  end
  local trace = (results[3] or ""):gsub("\n\t%[runner:[^\n]*", ""):gsub("\n\t%[C%]: in %?$", "")
  return "error", describe(results[2]), trace, results[2]
end

return M
