-- Which values travel by name: loaded modules, and the C functions and files found in them.
--
-- Called with: is_c(f), whether a function is written in C; all, whether this state's Lua functions in its libraries are
-- standard ones too (true in isolates, whose libraries nobody has touched yet); check(name, module), which is told of each
-- module that a packet has named, in isolates.
local is_c, all, check = ...

local package, next, pairs, type, rawget, pcall, require = package, next, pairs, type, rawget, pcall, require
local setmetatable, tostring = setmetatable, tostring
local sort, find, sub = table.sort, string.find, string.sub
local globals = _G

-- Weak: the ids of classes are in `named`, too. A class that turns out to be a module travels by name from then on.
local named, by_name = setmetatable({}, { __mode = "k" }), {}

local function name_it(value, name)
  if type(named[value]) ~= "string" then
    named[value] = name
  end
end

local function travels_by_name(value, lua_functions)
  local kind = type(value)
  return kind == "function" and (lua_functions or is_c(value)) or kind == "userdata"
end

local function name_fields(module, prefix, lua_functions)
  local fields = {}
  for field in next, module do
    if type(field) == "string" then
      fields[#fields + 1] = field
    end
  end
  sort(fields) -- the order must not differ from state to state
  for _, field in pairs(fields) do
    local value = rawget(module, field)
    if travels_by_name(value, lua_functions) then
      name_it(value, prefix .. "\0" .. field)
    end
  end
end

local first = all

-- The names of modules that travel as tables, by the script's wish.
local copied = {}

-- From now on this module travels as a table. Its C functions keep their names.
local function copy(name)
  copied[name] = true
  local module = package.loaded[name]
  if type(module) == "table" and type(named[module]) == "string" then
    named[module] = nil
  end
end

-- The shortest name wins, then the alphabet. Globals come last: `floor = math.floor` is no name that other states know.
local function refresh()
  local modules = {}
  for name, module in next, package.loaded do
    if type(name) == "string" and type(module) == "table" and module ~= globals then
      modules[#modules + 1] = name
    end
  end
  sort(modules, function(a, b)
    if #a ~= #b then
      return #a < #b
    end
    return a < b
  end)
  local as_tables = {}
  for name in pairs(copied) do
    as_tables[package.loaded[name] or copied] = true
  end
  for _, name in pairs(modules) do
    if not as_tables[package.loaded[name]] then
      name_it(package.loaded[name], name)
    end
  end
  for _, name in pairs(modules) do
    name_fields(package.loaded[name], name, first)
  end
  name_fields(globals, "_G", first)
  first = false
end

-- Tables of ours that are no modules, by the name they were adopted under.
local ours = {}

-- Marks our own module and method tables: their functions are written in Lua, and travel by name all the same.
local function adopt(module, name)
  ours[name] = module
  name_it(module, name)
  name_fields(module, name, true)
end

-- Where this is, in messages.
local here = all and "in a goroutine" or "in the home state"

-- What to do with a module that is loaded at home and cannot be found here.
local function alone(name)
  return 'only the home state has it: goroutine.configure{copy_modules = {"' .. name .. '"}} sends it as it is, a function in '
    .. 'package.preload["' .. name .. '"] would load it'
end

-- The value of a name here, or nil and a message.
local function resolve(name)
  local zero = find(name, "\0", 1, true)
  local module_name = zero and sub(name, 1, zero - 1) or name
  local module
  if module_name == "_G" then
    module = globals
  elseif ours[module_name] then
    module = ours[module_name]
  else
    local ok, loaded = pcall(require, module_name)
    if not ok then
      loaded = tostring(loaded)
      local why = "module '" .. module_name .. "' not found:"
      local advice = all and sub(loaded, 1, #why) == why and " (" .. alone(module_name) .. ")" or ""
      return nil, "cannot load module '" .. module_name .. "' " .. here .. advice .. ": " .. loaded
    end
    module = loaded
    if check and not zero and type(module) == "table" then
      check(module_name, module)
    end
  end
  local value = module
  if zero then
    local field = sub(name, zero + 1)
    value = type(module) == "table" and rawget(module, field) or nil
    if value == nil then
      if module_name == "_G" and not all then
        return nil, "global function '" .. field .. "' does not exist in the home state, or is no longer what it was"
      elseif module_name == "_G" then
        return nil, "global function '" .. field .. "' does not exist in goroutines: register it in every isolate (setup)"
      end
      return nil, "module '" .. module_name .. "' has no field '" .. field .. "' " .. here
    end
  end
  by_name[name] = value
  return value
end

return named, by_name, refresh, adopt, resolve, copy, alone
