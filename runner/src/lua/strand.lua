-- THE SEAM. How tasks wait and overlap. The engine uses these six functions, and nothing else, to run things beside each other:
--
--   start(name, fn)                begins fn() as a strand
--   step()                         goes on until one more strand has ended; false if the program was interrupted
--   sleep(seconds)                 in a strand: lets the others go on meanwhile
--   shell(line, options)           in a strand: exec.run(line, options), while the others go on
--   call(limit, task, fn, ...)     calls a function of the script's for a task, at most for `limit` seconds (nil: as long as it takes):
--                                  "ok" and its values, or "error" | "timeout" | "interrupted", a message and a traceback
--   try(fn, ...)                   in a strand: true if fn(...) raises nothing, otherwise false and the text of the error
--
-- Strands are goroutines of `goroutine.local`: whatever waits lets the others go on, and all share the script's variables.
--
-- Called with: goroutine.local and exec, the modules; enter(task, limit), called in such a function's goroutine before it, and leave(id,
-- limit) after it, which says whether the time was up; quiet(), called when the function has returned; interrupted();
-- describe(err), the text of an error value.
local goroutine, exec, enter, leave, quiet, interrupted, describe = ...

local error, pcall, select, pack, unpack, remove = error, pcall, select, table.pack, table.unpack, table.remove

-- How long a function may take to unwind when its time is over.
local GRACE = 1000

local M = {}
local strands = {}

function M.start(name, fn)
  local strand = goroutine.async(fn)
  strand:name("task " .. name)
  strands[#strands + 1] = strand
end

function M.step()
  local waited, index, ok, err, trace = pcall(goroutine.await_any, strands)
  if interrupted() then
    return false
  elseif not waited then
    error(index, 0)
  end
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

function M.call(limit, task, fn, ...)
  local handle = goroutine.async(run, task, limit, fn, ...)
  handle:name("function of " .. task.name)
  local results = pack(handle:await(limit and limit * 1000))
  local status = handle:status()
  local late = status == "running" or status == "waiting" or status == "queued"
  if late then
    handle:cancel("timeout exceeded")
    handle:await(GRACE)
  end
  local overdue = leave(handle:id(), limit) or late
  if interrupted() then
    return "interrupted", "interrupted", ""
  elseif overdue then
    return "timeout", "timeout exceeded", ""
  elseif results[1] then
    return "ok", unpack(results, 2, results.n)
  end
  local trace = (results[3] or ""):gsub("\n\t%[runner:[^\n]*", ""):gsub("\n\t%[C%]: in %?$", "")
  return "error", describe(results[2]), trace
end

return M
