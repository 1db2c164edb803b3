-- `task` and `workflow`: what a script defines, with the place of each definition. What is wrong is noted, not raised, so that all
-- of it can be told at once.
--
-- Called with: what fields.lua gives.
local fields = ...
local TASK, CONFIG, text, readable, fn = fields.TASK, fields.CONFIG, fields.text, fields.readable, fields.fn

local getinfo, getmetatable, setmetatable, type, math_type =
  debug.getinfo, debug.getmetatable, setmetatable, type, math.type
local error, sort, rawget, rawlen = error, table.sort, rawget, rawlen
local pairs, ipairs, plain = fields.pairs, fields.ipairs, fields.plain

local M = { errors = {}, workflows = {}, tasks = {} }

-- Where the script stands: the innermost line that is not ours. Everything that defines something asks; once the tasks run, that
-- is refused.
local function here()
  local level = 2
  while true do
    local info = getinfo(level, "Sl")
    if not info then
      return "?"
    end
    if info.currentline > 0 and info.source:sub(1, 9) ~= "=[runner:" then
      local place = info.short_src .. ":" .. info.currentline
      if M.closed then
        error(place .. ": tasks and workflows are defined while the script runs, before the tasks do", 0)
      end
      return place
    end
    level = level + 1
  end
end

local function wrong(place, message)
  M.errors[#M.errors + 1] = { place = place, message = message }
end

local meant = fields.meant
M.meant = meant

local function names_of(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  sort(names)
  return names
end

-- Notes a field of `record`; `what` is how it is called in messages.
local function set(record, fields, field, value, place, what)
  local kept, why = fields[field](value)
  record.places[field] = place
  if kept == nil then
    return wrong(place, what .. ": " .. why)
  end
  if field == "depends_on" and record.depends_on then
    for _, name in ipairs(kept) do
      record.depends_on[#record.depends_on + 1] = name
    end
  else
    record[field] = kept
  end
end

-- An object whose unknown methods are noted, and otherwise do nothing.
local function builder(kind, methods)
  local known = names_of(methods)
  local function nothing(self)
    return self
  end
  return {
    __index = function(self, name)
      local method = methods[name]
      if method then
        return method
      end
      wrong(here(), kind .. " '" .. M.record[self].name .. "' has no method '" .. plain(name) .. "'" .. meant(name, known, true))
      return nothing
    end,
    __newindex = function(self, name)
      wrong(here(), kind .. " '" .. M.record[self].name .. "': '" .. plain(name) .. "' is set by a method, not assigned")
    end,
    __name = kind,
    __tostring = function(self)
      return kind .. " '" .. M.record[self].name .. "'"
    end,
  }
end

M.record = fields.record

-- What a method gives that was not called with a colon: an object that takes all methods, so that those after it do not raise.
local inert
inert = setmetatable({}, {
  __index = function()
    return function()
      return inert
    end
  end,
})

local function self_of(self, kind, method, place)
  local record = type(self) == "table" and M.record[self]
  if not record and self ~= inert then
    wrong(place, "call it with a colon: " .. kind .. ":" .. method .. "(...)")
  end
  return record
end

-- The name, or `?` and true.
local function name_of(name, kind, place)
  if type(name) == "string" and name ~= "" then
    local kept, why = readable(name)
    if kept then
      return kept
    end
    wrong(place, kind .. ": the name: " .. why)
    return "?", true
  end
  wrong(place, kind .. ": a name expected, got " .. (name == "" and "an empty string" or type(name)))
  return "?", true
end

-- Tasks.

local task_methods = {}
for field in pairs(TASK) do
  if field ~= "retry_policy" then
    task_methods[field] = function(self, ...)
      local place = here()
      local record = self_of(self, "task", field, place)
      if record then
        local value, more = ...
        local too_many = fields.too_many(field, field == "retries" and 2 or 1, ...)
        if too_many then
          wrong(place, "task '" .. record.name .. "': " .. too_many)
        end
        set(record, TASK, field, value, place, "task '" .. record.name .. "': " .. field)
        if field == "retries" and more ~= nil then
          set(record, TASK, "retry_policy", more, place, "task '" .. record.name .. "': retries")
        end
      end
      return record and self or inert
    end
  end
end

function task_methods.build(self)
  local record = self_of(self, "task", "build", here())
  if record then
    record.built = true
  end
  return record and self or inert
end

local task_metatable = builder("task", task_methods)

local function task(name)
  local place = here()
  local object = setmetatable({}, task_metatable)
  local record = { place = place, places = {} }
  record.name, record.unnamed = name_of(name, "task", place)
  M.record[object] = record
  M.tasks[#M.tasks + 1] = record
  return object
end

-- A task as a plain table.
local function task_of(table, place, where)
  local record = { place = place, places = {}, built = true }
  record.name, record.unnamed = name_of(rawget(table, "name"), where, place)
  local known = names_of(TASK)
  known[#known + 1] = "name"
  sort(known)
  for field, value in pairs(table) do
    local what = "task '" .. record.name .. "': " .. plain(field)
    if TASK[field] then
      set(record, TASK, field, value, place, what)
    elseif field ~= "name" then
      wrong(place, "task '" .. record.name .. "' has no option '" .. plain(field) .. "'" .. meant(field, known, true))
    end
  end
  return record
end

-- Workflows.

local function set_tasks(record, tasks, place)
  local what = "workflow '" .. record.name .. "': "
  if type(tasks) ~= "table" or M.record[tasks] then
    return wrong(place, what .. "tasks: a list of tasks expected, got " .. (M.record[tasks] and "one task: put it in {}" or type(tasks)))
  end
  local places = true
  for key in pairs(tasks) do
    if math_type(key) ~= "integer" or key < 1 or key > rawlen(tasks) then
      wrong(place, what .. "tasks has to be a list without holes: '" .. plain(key) .. "' is no place in one")
      places = false
    end
  end
  local empty = places and fields.hole(tasks)
  if empty then
    wrong(place, what .. "tasks has to be a list without holes: " .. fields.is_nil(empty))
  end
  for i, entry in ipairs(tasks) do
    local where = what .. "entry " .. i .. " of tasks"
    if type(entry) ~= "table" then
      wrong(place, where .. ": a task expected, got " .. type(entry))
    elseif M.record[entry] then
      if getmetatable(entry) ~= task_metatable then
        wrong(place, where .. " is no task")
      else
        M.record[entry].used = true
        record.tasks[#record.tasks + 1] = M.record[entry]
      end
    elseif entry ~= inert then
      record.tasks[#record.tasks + 1] = task_of(entry, place, where)
    end
  end
end

local function set_config(record, config, place)
  local what = "workflow '" .. record.name .. "': config"
  if type(config) ~= "table" then
    return wrong(place, what .. ": a table expected, got " .. type(config))
  end
  for field, value in pairs(config) do
    if CONFIG[field] then
      set(record.config, CONFIG, field, value, place, what .. "." .. field)
    else
      wrong(place, what .. " has no option '" .. plain(field) .. "'" .. meant(field, names_of(CONFIG), true))
    end
  end
end

local function simple(check, field)
  return function(record, value, place)
    local kept, why = check(value)
    if kept == nil then
      return wrong(place, "workflow '" .. record.name .. "': " .. field .. ": " .. why)
    end
    record[field] = kept
  end
end

local WORKFLOW = {
  description = simple(text, "description"), version = simple(text, "version"), tasks = set_tasks, config = set_config,
  on_start = simple(fn, "on_start"), on_complete = simple(fn, "on_complete"),
}

local workflow_methods = {}
for field, put in pairs(WORKFLOW) do
  workflow_methods[field] = function(self, value, ...)
    local place = here()
    local record = self_of(self, "workflow", field, place)
    if record then
      local too_many = fields.too_many(field, 1, value, ...)
      if too_many then
        wrong(place, "workflow '" .. record.name .. "': " .. too_many)
      end
      put(record, value, place)
    end
    return record and self or inert
  end
end
local workflow_metatable = builder("workflow", workflow_methods)

local function define(name, spec)
  local place = here()
  local object = setmetatable({}, workflow_metatable)
  local record = { place = place, tasks = {}, config = { places = {} } }
  record.name, record.unnamed = name_of(name, "workflow.define", place)
  M.record[object] = record
  M.workflows[#M.workflows + 1] = record
  if spec ~= nil and type(spec) ~= "table" then
    wrong(place, "workflow '" .. record.name .. "': a table expected, got " .. type(spec))
  else
    for field, value in pairs(spec or {}) do
      if WORKFLOW[field] then
        WORKFLOW[field](record, value, place)
      else
        wrong(place, "workflow '" .. record.name .. "' has no option '" .. plain(field) .. "'" .. meant(field, names_of(WORKFLOW), true))
      end
    end
  end
  return object
end

-- A table that can be called: goroutines know it by a name (what is in a module travels by that), and find there what refuses.
local function callable(fn, form)
  local name = form:match("^[%w.]+")
  return setmetatable({}, {
    __call = function(_, ...)
      return fn(...)
    end,
    __index = function(_, field)
      error(name .. " has no field '" .. plain(field) .. "': it is called, as " .. form, 2)
    end,
    __newindex = function()
      error(name .. " is called, as " .. form .. ", and takes no fields", 2)
    end,
    __name = name,
  })
end

_G.task = callable(task, 'task("name")')
_G.workflow = setmetatable({ define = callable(define, 'workflow.define("name", {...})') }, {
  __index = function(_, name)
    error("workflow has no function '" .. plain(name) .. "': there is workflow.define", 2)
  end,
  __call = function()
    error("workflow is no function: there is workflow.define", 2)
  end,
})

return M
