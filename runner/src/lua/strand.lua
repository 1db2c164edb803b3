-- THE SEAM. How tasks wait and overlap. The engine uses these functions, and nothing else, to run things beside each other:
--
--   start(task, fn)                begins fn() as a strand, of a task or of a workflow; false if the program was interrupted
--   any()                          whether there are strands whose end was not waited for
--   step()                         goes on until one more strand has ended; false if the program was interrupted, and there are none then
--   beside(task, fn)               fn() as a strand, and until its end; false if the program was interrupted
--   settle()                       lets functions unwind that could not before; no strand runs any more
--   sleep(seconds)                 in a strand: lets the others go on meanwhile
--   shell(line, options)           in a strand: exec.run(line, options), while the others go on
--   call(limit, last, task, fn, ...)
--                                  in a strand: calls a function of the script's for a task, at most for `limit` seconds from when it begins,
--                                  and until `last` (by now(); nil: as long as it takes): "ok" and its values, or "error" | "timeout" |
--                                  "interrupted", a message, a traceback and, of an error, its value
--   text(limit, last, task, value)
--                                  in a strand: the text of an error value or a message. That of an object is a function of the script's
--   try(fn, ...)                   in a strand: true if fn(...) raises nothing, otherwise false and the text of the error
--
-- Strands are goroutines of `goroutine.local`, as the functions of the script's that they call are: those wait for each other, and share the
-- script's variables. Strands go ahead of them, also while one computes (see the page of the module `tasks`): so they touch nothing of
-- the script's, but what a function has given back, of which they hear before any other function goes on.
--
-- Called with: goroutine.local and exec, the modules; enter(task, limit), called in such a function's goroutine before it, rest(id), how long
-- it may run on, nil if it has not begun, and leave(id) after it, which says whether the time was up; quiet(), called when the function
-- has returned; interrupted();
-- describe(err), the text of an error value; next_as(place, ahead), before a goroutine is started: what is told as its place, and whether it
-- is a strand; end_wait(id), which ends what a cancelled function waits for, and says whether it can go on at once.
local goroutine, exec, enter, rest, leave, quiet, interrupted, describe, next_as, end_wait = ...

local error, ipairs, pcall, next, type, pack, unpack, remove = error, ipairs, pcall, next, type, table.pack, table.unpack, table.remove
local find, getinfo, getmetatable = string.find, debug.getinfo, debug.getmetatable
local min, max, now = math.min, math.max, goroutine.now
local gmatch, gsub, match, sub, concat = string.gmatch, string.gsub, string.match, string.sub, table.concat

-- How long a function may take to unwind when its time is over: it is stopped after a second.
local GRACE = 1200

local ENDED = { done = true, failed = true, cancelled = true }

local M = {}
local strands = {}

-- Functions that had not unwound when their strands went on.
local late_ones = {}

-- The functions that are being waited for, and why some of these will be waited for in vain.
local calls, deadlocked = {}, {}

local DEADLOCK = "all goroutines are asleep - deadlock!"

-- What a deadlock is called where the one who waits is a task: the rest of the message speaks of our own waiting.
local function deadlock_of(err)
  return type(err) == "string" and find(err, DEADLOCK, 1, true) and DEADLOCK or nil
end

function M.start(task, fn)
  next_as(task.place, true)
  local started, strand = pcall(goroutine.async, fn)
  if not started and interrupted() then
    return false
  elseif not started then
    error(strand, 0)
  end
  strand:name((task.is_workflow and "workflow " or "task ") .. task.name)
  strands[#strands + 1] = strand
  return true
end

-- Where a goroutine stands, by a dump: its part of that, as a traceback.
local function stack_in(dump, id)
  local begin, lines, is_its = "goroutine " .. id, {}, false
  for line in gmatch(dump, "[^\n]+") do
    if sub(line, 1, 1) ~= " " then
      is_its = match(line, "^goroutine %d+") == begin
    elseif is_its and not find(line, "[runner:", 1, true) then
      lines[#lines + 1] = sub(line, 3)
    end
  end
  return (gsub(concat(lines, "\n"), "\n\t%[C%]: in %?$", ""))
end

-- Nothing can wake the functions that tasks have called: they end with that error. Whether there were any.
local function fail_calls(message)
  local any, dump = false, goroutine.dump()
  for handle in next, calls do
    if not deadlocked[handle] then
      any, deadlocked[handle] = true, { message, stack_in(dump, handle:id()) }
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
      strands = {}
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

function M.any()
  return #strands > 0
end

-- There are no others: it is called before they begin, or when all have ended.
function M.beside(task, fn)
  return M.start(task, fn) and M.step()
end

function M.settle()
  local until_ = now() + GRACE
  for _, handle in ipairs(late_ones) do
    pcall(handle.await, handle, max(0, until_ - now()))
  end
  late_ones = {}
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

-- How long something may take from now on, in seconds.
local function at_most(limit, last)
  local left = last and max(0, (last - now()) / 1000)
  return limit and left and min(limit, left) or limit or left
end

-- What tracebacks call the function is the name of the variable.
local function run(task, limit, last, command, ...)
  enter(task, at_most(limit, last))
  return returned(command(...))
end

local function attempt(ok, ...)
  return ok, pack(...)
end

local function place_of(fn, task)
  local info = getinfo(fn, "S")
  return info.linedefined > 0 and info.short_src .. ":" .. info.linedefined or task.place
end

-- Until its end, or until its time is over. One that has not begun, since another computes, has all of that.
local function await(handle, limit, last)
  local waited, results
  repeat
    local left = at_most(rest(handle:id()) or limit, last)
    waited, results = attempt(pcall(handle.await, handle, left and left * 1000))
    left = waited and left and results[1] == false and at_most(rest(handle:id()) or limit, last)
  until not left or left <= 0 or ENDED[handle:status()]
  return waited, results
end

function M.call(limit, last, task, fn, ...)
  next_as(place_of(fn, task), false)
  local handle = goroutine.async(run, task, limit, last, fn, ...)
  handle:name("function of " .. task.name)
  calls[handle] = true
  local waited, results = await(handle, limit, last)
  calls[handle] = nil
  if not waited then
    error(results[1], 0) -- it unwinds
  end
  local status = handle:status()
  local late = not ENDED[status]
  if late then
    handle:cancel("timeout exceeded")
    -- If it waits, and another function computes, it cannot unwind before that has ended. Its time is over all the same.
    if end_wait(handle:id()) or status == "running" then
      handle:await(GRACE)
    end
    if not ENDED[handle:status()] then
      late_ones[#late_ones + 1] = handle
    end
  end
  local overdue = leave(handle:id()) or late
  local deadlock = deadlocked[handle]
  deadlocked[handle] = nil
  if interrupted() then
    return "interrupted", "interrupted", ""
  elseif deadlock then -- even if the function has caught the error
    return "error", deadlock[1], deadlock[2]
  elseif overdue then
    return "timeout", "timeout exceeded", ""
  elseif results[1] then
    return "ok", unpack(results, 2, results.n)
  end
  local trace = (results[3] or ""):gsub("\n\t%[runner:[^\n]*", ""):gsub("\n\t%[C%]: in %?$", "")
  return "error", M.text(limit, last, task, results[2]), trace, results[2]
end

function M.text(limit, last, task, value)
  if type(value) ~= "table" or not (getmetatable(value) or {}).__tostring then
    return describe(value)
  end
  local how, text = M.call(limit, last, task, describe, value)
  return how == "ok" and text or "(object whose __tostring fails: " .. text .. ")"
end

return M
