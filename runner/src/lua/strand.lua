-- THE SEAM. How tasks wait and overlap. The engine uses these four functions, and nothing else, to run things beside each other:
--
--   start(fn)                      begins fn() as a strand
--   step()                         goes on until at least one more strand has ended
--   sleep(seconds)                 in a strand: lets the others go on meanwhile
--   shell(line, options)           in a strand: exec.run(line, options), while the others go on
--   call(limit, task, fn, ...)     calls a function of the script's for a task, at most for `limit` seconds (nil: as long as it takes):
--                                  "ok" and its values, or "error" | "timeout" | "interrupted", a message and a traceback
--
-- Here strands are coroutines of the home state that give way in `sleep` and `shell` only. A function of the script's has the
-- home state to itself until it returns: functions run one after another, shell lines overlap with them and with each other.
--
-- Called with: goroutine and exec, the modules; enter(task, coroutine, limit) and leave(coroutine), around such a function; overdue(),
-- whether its time was up; interrupted(); describe(err), the text of an error value.
local goroutine, exec, enter, leave, overdue, interrupted, describe = ...

local create, resume, status, yield, close = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield, coroutine.close
local traceback = debug.traceback

local M = {}
local waiting = {} -- the strands that wait, in the order in which they began to: { co =, handle = } or { co =, at = }
local ended = 0

local function go(co)
  local ok, wait = resume(co)
  if not ok then
    error(wait, 0)
  elseif status(co) == "dead" then
    ended = ended + 1
  else
    wait.co = co
    waiting[#waiting + 1] = wait
  end
end

function M.start(fn)
  go(create(fn))
end

-- The place in `waiting` of one that can go on, once there is one.
local function next_ready()
  local handles, places, soonest = {}, {}, nil
  for i, wait in ipairs(waiting) do
    if wait.handle then
      handles[#handles + 1], places[#places + 1] = wait.handle, i
    elseif not soonest or wait.at < waiting[soonest].at then
      soonest = i
    end
  end
  local left = soonest and math.max(0, waiting[soonest].at - goroutine.now())
  if #handles == 0 then
    goroutine.sleep(left)
    return soonest
  end
  local index = goroutine.await_any(handles, left)
  return index and places[index] or soonest
end

function M.step()
  while ended == 0 do
    -- When the program is interrupted nothing can be waited for any more: all go on, and see that for themselves.
    local ok, place = pcall(next_ready)
    if not ok and not interrupted() then
      error(place, 0)
    end
    go(table.remove(waiting, ok and place or 1).co)
  end
  ended = 0
end

function M.sleep(seconds)
  yield({ at = goroutine.now() + seconds * 1000 })
end

function M.shell(line, options)
  local handle = goroutine.async(function()
    return exec.run(line, options)
  end)
  yield({ handle = handle })
  if interrupted() then
    return nil, "interrupted"
  end
  local ok, result, err = handle:await()
  if ok then
    return result, err
  end
  return nil, describe(result)
end

local function conclude(co, ok, ...)
  leave(co)
  if ok and status(co) ~= "dead" then
    close(co)
    return "error", "attempt to yield from outside a coroutine", ""
  elseif ok then
    if overdue() then
      return "timeout", "timeout exceeded", ""
    end
    return "ok", ...
  end
  local message, trace = describe((...)), traceback(co)
  close(co)
  if interrupted() then
    return "interrupted", "interrupted", ""
  elseif overdue() then
    return "timeout", "timeout exceeded", trace
  end
  return "error", message, trace
end

function M.call(limit, task, fn, ...)
  local co = create(fn)
  enter(task, co, limit)
  return conclude(co, resume(co, ...))
end

return M
