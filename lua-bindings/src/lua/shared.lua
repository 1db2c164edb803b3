-- Shared tables: what they have as tables, and `update`, which calls a function of the script's. Called with what
-- module.lua is called with, and the module's table.
local prim, settle, face, attempt, M = ...

local fail = prim.fail
local WRONG = 2 -- as in base.lua
local ipairs, next = ipairs, next

M.shared = face(prim.shared)

local methods = prim.methods.shared
for _, name in ipairs({ "get", "set", "get_or_insert", "insert", "snapshot" }) do
  methods[name] = face(prim["shared_" .. name])
end

local read, replace = prim.shared_update, prim.shared_replace
local now, sleep, delay = M.now, prim.sleep, prim.retry_delay

-- An update that was overtaken more often than this in a row may be one of several whose functions overtake each other, and would for ever.
local OFTEN = 32

-- Stands back, each time longer or shorter by chance, so that one of them comes through. `took`: how long the function took.
local function stand_back(took, times)
  local least = took > 1 and took or 1
  local how, why = attempt(sleep(delay(times, least, 4 * least, 2, true)))
  if how ~= 0 and how ~= WRONG then -- wrong: where it cannot wait, it tries again at once
    fail(how, why)
  end
end

-- By compare-and-retry: no lock is held while the function runs.
function methods.update(...)
  local self, key, fn = ...
  local overtaken, started = 0, nil
  while true do
    local how, version, old = read(...)
    if how ~= 0 then
      fail(how, version)
    end
    if overtaken >= OFTEN then
      started = now()
    end
    local done, new
    how, done, new = replace(self, key, version, (fn(old)), overtaken + 1)
    if how ~= 0 then
      fail(how, done)
    elseif done then
      return new
    end
    overtaken = overtaken + 1
    if started then
      stand_back(now() - started, overtaken - OFTEN)
    end
  end
end

local metatable, get, entries = prim.metatables.shared, prim.shared_index, prim.shared_pairs

function metatable.__index(...)
  local _, key = ...
  local method = methods[key]
  if method then
    return method
  end
  return settle(get(...))
end

metatable.__newindex = face(prim.shared_assign)
metatable.__len = face(prim.shared_len)

-- Lua 5.1 and LuaJIT ask nobody here.
function metatable.__pairs(...)
  local how, snapshot = entries(...)
  if how ~= 0 then
    fail(how, snapshot)
  end
  return next, snapshot
end

-- Only Lua 5.2 asks for this one; later ones index the table.
if _VERSION == "Lua 5.2" then
  local get = methods.get
  local function after(t, i)
    local value = get(t, i + 1)
    if value ~= nil then
      return i + 1, value
    end
  end
  function metatable.__ipairs(t)
    return after, t, 0
  end
end
