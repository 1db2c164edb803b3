-- The module's table, and the methods of its objects. Called with the primitives, and what base.lua gives.
local prim, settle, face = ...

local error, type, pcall, select = error, type, pcall, select
local unpack = table.unpack or unpack

local M = { _VERSION = prim.version }

-- Starting and awaiting.

for _, name in ipairs({
  "spawn", "spawn_many", "async", "await", "await_all", "await_any", "wait_all", "sleep", "yield", "now", "current",
  "timeout", "is_cancelled", "backend", "wait_group", "atomic_int", "channel",
  "pool_create", "pool_submit", "pool_submit_priority", "pool_async", "pool_wait", "pool_close", "pool_stats",
}) do
  M[name] = face(prim[name])
end

local function pack(...)
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

function M.scope(...)
  local how, message = check_function("scope", ...)
  if how ~= 0 then
    error(message, 2)
  end
  local scope = scope_new()
  local result = pack(pcall((...), scope))
  if not result[1] then
    scope_cancel(scope)
  end
  scope_wait(scope)
  return scope_end(result, scope_result(scope))
end

-- pool_map submits under the pool's back-pressure, and stops at the first error.
local map_check, map_wait = prim.pool_map_check, prim.pool_map_wait
local pool_async = M.pool_async
local function drop(handles)
  for i = 1, #handles do
    handles[i]:cancel("another item of pool_map failed")
  end
end

function M.pool_map(...)
  local name, list, fn = ...
  local how, message = map_check(...)
  if how ~= 0 then
    error(message, 2)
  end
  local handles = {}
  for i = 1, #list do
    local ok, handle, err = pcall(pool_async, name, fn, list[i], i)
    if not ok or not handle then
      drop(handles)
      if not ok then
        error(handle, 0)
      end
      return nil, err
    end
    handles[i] = handle
  end
  return settle(map_wait(handles))
end

-- Objects.

local methods = prim.methods

local function add(class, names)
  local index = {}
  for _, name in ipairs(names) do
    index[name] = face(prim[class .. "_" .. name])
  end
  methods[class] = index
  return index
end

add("handle", { "await", "cancel", "done", "status", "id", "name" })
add("wait_group", { "add", "done", "wait" })
add("atomic_int", { "add", "load", "store", "swap", "compare_and_swap" })
add("scope", { "spawn" })
local channel = add("channel", {
  "send", "receive", "try_send", "try_receive", "close", "len", "cap", "is_closed", "sender", "receiver",
})

for _, name in ipairs({ "send", "receive", "close", "len", "cap" }) do
  M["channel_" .. name] = face(prim["channel_function_" .. name])
end

local receive = channel.receive
local check_receive = prim.channel_check_receive

function channel.range(self, ...)
  local how, message = check_function("range", ...)
  if how == 0 then
    how, message = check_receive(self, "range")
  end
  if how ~= 0 then
    error(message, 2)
  end
  local fn = ...
  while true do
    local value, ok = receive(self)
    if not ok then
      return
    end
    fn(value)
  end
end

function channel.iter(self)
  local how, message = check_receive(self, "iter")
  if how ~= 0 then
    error(message, 2)
  end
  return function()
    local value, ok = receive(self)
    if ok and value == nil then
      error("received nil, which would end 'for ... in channel:iter()' unseen: use channel:range or channel:receive", 2)
    end
    return value
  end
end

return M
