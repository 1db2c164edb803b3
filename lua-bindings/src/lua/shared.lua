-- Shared tables: what they have as tables, and `update`, which calls a function of the script's. Called with what
-- module.lua is called with, and the module's table.
local prim, settle, face, _, M = ...

local fail = prim.fail
local ipairs, next = ipairs, next

M.shared = face(prim.shared)

local methods = prim.methods.shared
for _, name in ipairs({ "get", "set", "get_or_insert", "insert", "snapshot" }) do
  methods[name] = face(prim["shared_" .. name])
end

local read, replace = prim.shared_update, prim.shared_replace

-- By compare-and-retry: no lock is held while the function runs.
function methods.update(...)
  local self, key, fn = ...
  while true do
    local how, version, old = read(...)
    if how ~= 0 then
      fail(how, version)
    end
    local done, new
    how, done, new = replace(self, key, version, (fn(old)))
    if how ~= 0 then
      fail(how, done)
    elseif done then
      return new
    end
  end
end

local metatable, get, entries = prim.metatables.shared, prim.shared_get, prim.shared_pairs

function metatable.__index(...)
  local _, key = ...
  local method = methods[key]
  if method then
    return method
  end
  return settle(get(...))
end

metatable.__newindex = methods.set
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
