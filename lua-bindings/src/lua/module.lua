-- The module's table, and the methods of its objects. Called with the primitives, and what base.lua gives.
local prim, settle, face, attempt = ...

local error, type, pcall, select, rawget, ipairs = error, type, pcall, select, rawget, ipairs
local fail = prim.fail -- raises the message of a primitive that went wrong
local wrong = prim.wrong -- raises a message with the script's position in front
local unpack = table.unpack or unpack -- Lua 5.1 and LuaJIT have it as a global

local M = { _VERSION = prim.version }

-- Starting and awaiting.

for _, name in ipairs({
  "spawn", "spawn_many", "async", "blocking", "await", "await_all", "await_any", "wait_all", "sleep", "yield", "now", "current",
  "timeout", "is_cancelled", "backend", "wait_group", "atomic_int", "channel", "after", "ticker", "pipeline",
  "fan_out", "fan_in", "class", "configure",
  "pool_create", "pool_submit", "pool_submit_priority", "pool_async", "pool_wait", "pool_close", "pool_stats",
  "pool", "list", "stats", "dump",
}) do
  M[name] = prim.whole[name] or face(prim[name])
end

-- The standard one copies its arguments once less.
local pack = table.pack or function(...)
  return { n = select("#", ...), ... }
end

local scope_new, check_function = face(prim.scope_new), prim.check_function
local scope_wait, scope_cancel, scope_result = face(prim.scope_wait), prim.scope_cancel, prim.scope_result

local function scope_end(result, how, ...)
  -- How the children fared comes first: their error is the cause of what the body may have raised after it.
  if how ~= 0 then
    error((...), 0)
  end
  if not result[1] then
    error(result[2], 0)
  end
  return unpack(result, 2, result.n)
end

-- `new` makes a scope.
function prim.scope_with(new)
  return function(...)
    local how, message = check_function("scope", ...)
    if how ~= 0 then
      wrong(message)
    end
    local scope = new()
    local result = pack(pcall((...), scope))
    if not result[1] then
      scope_cancel(scope)
    end
    scope_wait(scope)
    return scope_end(result, scope_result(scope))
  end
end

M.scope = prim.scope_with(scope_new)

-- pool_map submits under the pool's back-pressure. Its tasks make up a scope: the first error cancels the others, and
-- what is not submitted yet stays so.
local map_submit, map_failed, map_wait = prim.pool_map_submit, prim.pool_map_failed, prim.pool_map_wait

local function map(pool, list, fn)
  local scope, handles = scope_new(), {}
  for i = 1, #list do
    local outcome, handle, err = attempt(map_submit(scope, pool, fn, list[i], i))
    if outcome ~= 0 then
      scope_cancel(scope)
      fail(outcome, handle)
    elseif not handle then
      scope_cancel(scope)
      return nil, err
    end
    handles[i] = handle
    if map_failed(scope) then
      break
    end
  end
  return settle(map_wait(scope, handles))
end

-- `check` looks at the arguments: a pool by name, or the pool itself.
local function map_with(check)
  return function(...)
    local how, ready, err = check(...)
    if how ~= 0 then
      wrong(ready)
    elseif not ready then
      return nil, err
    end
    return map(...)
  end
end

M.pool_map = map_with(prim.pool_map_check)

-- The handlers of select. Each is looked for in the caller's own table once its case has happened.
local raw_select, raw_select_timeout = prim.select, prim.select_timeout

local function handler_of(cases, index)
  local case = rawget(cases, index)
  return type(case) == "table" and rawget(case, "handler")
end

local function selected(cases, how, index, ...)
  if how ~= 0 then
    fail(how, index)
  end
  local handler = handler_of(cases, index)
  if handler then
    return index, handler(...)
  end
  return index
end

function M.select(...)
  return selected((...), attempt(raw_select(...)))
end

local function selected_in_time(cases, how, index, ...)
  if how ~= 0 then
    fail(how, index)
  elseif not index then
    return true, nil
  end
  local handler = handler_of(cases, index)
  if handler then
    return false, index, handler(...)
  end
  return false, index
end

function M.select_timeout(...)
  return selected_in_time(select(2, ...), attempt(raw_select_timeout(...)))
end

-- Objects.

local methods = prim.methods

local function add(class, names)
  local index = methods[class]
  for _, name in ipairs(names) do
    local key = class .. "_" .. name
    index[name] = prim.whole[key] or face(prim[key])
  end
  return index
end

add("handle", { "await", "cancel", "done", "status", "id", "name" })
add("wait_group", { "add", "done", "wait" })
add("atomic_int", { "add", "load", "store", "swap", "compare_and_swap" })
add("scope", { "spawn" })
local pool = methods.pool
for _, name in ipairs({ "submit", "async", "wait", "close", "stats" }) do
  pool[name] = face(prim["pool_object_" .. name])
end
pool.map = map_with(prim.pool_object_map)
local channel = add("channel", {
  "send", "receive", "try_send", "try_receive", "close", "len", "cap", "is_closed", "sender", "receiver", "stop",
})

for _, name in ipairs({ "send", "receive", "close", "len", "cap" }) do
  M["channel_" .. name] = face(prim["channel_function_" .. name])
end

local receive = channel.receive
local check_receive = prim.channel_check_receive

function channel.range(...)
  local how, message = check_receive("range", ...)
  if how == 0 then
    how, message = check_function("range", select(2, ...))
  end
  if how ~= 0 then
    wrong(message)
  end
  local self, fn = ...
  while true do
    local value, ok = receive(self)
    if not ok then
      return
    end
    fn(value)
  end
end

function channel.iter(...)
  local how, message = check_receive("iter", ...)
  if how ~= 0 then
    wrong(message)
  end
  local self = ...
  return function()
    local value, ok = receive(self)
    if ok and value == nil then
      wrong("received nil, which would end 'for ... in channel:iter()' unseen: use channel:range or channel:receive")
    end
    return value
  end
end

-- What the goroutines between channels run. They travel by name, as methods do.

local flow = { split = face(prim.flow_split), join = face(prim.flow_join) }
methods.flow = flow
local channel_send, channel_receive, close = prim.channel_send, prim.channel_receive, channel.close
local is_cancelled, keep_error = prim.flow_is_cancelled, face(prim.flow_keep_error)

-- What follows says whether the worker goes on: there is more to come, and somebody takes the results. Only the stage's function
-- is called by pcall, within which Lua 5.1 could not wait.

local function failed(id, err)
  if is_cancelled() then
    error(err, 0)
  end
  keep_error(id, err)
  return true
end

local function sent(id, outcome, ok)
  if outcome ~= 0 then
    return failed(id, ok)
  end
  return ok
end

-- What gives no value at all drops the one that it was given.
local function returned(output, id, ok, ...)
  if not ok then
    return failed(id, (...))
  elseif select("#", ...) == 0 then
    return true
  end
  return sent(id, attempt(channel_send(output, (...))))
end

local function received(output, id, fn, outcome, value, ok)
  if outcome ~= 0 then
    return failed(id, value)
  elseif not ok then
    return false
  end
  return returned(output, id, pcall(fn, value))
end

-- A worker of a stage. Its channels are closed when the last worker of the stage has ended, in whatever way.
function flow.work(input, output, id, fn)
  repeat
    local more = received(output, id, fn, attempt(channel_receive(input)))
  until not more
  close(input) -- if it was the output that was closed: nobody takes any more
end

return M
