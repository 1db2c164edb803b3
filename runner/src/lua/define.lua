-- `task` and `workflow`: what a script defines, with the place of each definition. What is wrong is noted, not raised, so that all
-- of it can be told at once.
--
-- Called with: nearest(name, names), the one of the names that may be meant, or nil; duration(value), which gives seconds, or
-- nil and a message.
local nearest, duration = ...

local getinfo, getmetatable, setmetatable, type, pairs, ipairs, tostring, math_type =
  debug.getinfo, getmetatable, setmetatable, type, pairs, ipairs, tostring, math.type
local error, utf8_length = error, utf8.len

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

local function meant(name, names)
  local near = type(name) == "string" and nearest(name, names)
  return near and ", did you mean '" .. near .. "'?" or ""
end
M.meant = meant

local function names_of(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- What a field may be: gives what is kept, or nil and what was expected.

local function expected(what, value)
  return nil, what .. " expected, got " .. (value == nil and "nothing" or type(value))
end

-- Names and paths, lines for the shell: they are told in events, and what runs them takes no other bytes.
local function readable(value)
  if utf8_length(value) then
    return value
  end
  return nil, "text in UTF-8 expected, got other bytes"
end

local function text(value)
  if type(value) == "string" then
    return readable(value)
  end
  return expected("a string", value)
end

local function flag(value)
  if type(value) == "boolean" then
    return value
  end
  return expected("true or false", value)
end

local function fn(value)
  if type(value) == "function" then
    return value
  end
  return expected("a function", value)
end

local function fn_or_line(value)
  if type(value) == "function" then
    return value
  elseif type(value) ~= "string" then
    return expected("a function or a shell line", value)
  elseif not value:find("%S") then
    return nil, "the shell line is empty"
  end
  return readable(value)
end

local function time(value)
  local seconds, why = duration(value)
  if seconds == 0 then
    return nil, "a timeout has to be more than 0"
  end
  return seconds, why
end

local function list(value)
  if type(value) == "string" then
    value = { value }
  elseif type(value) ~= "table" then
    return expected("a string or a list of strings", value)
  end
  local copy = {}
  for key in pairs(value) do
    if math_type(key) ~= "integer" or key < 1 or key > #value then
      return nil, "a list of strings expected, but it has the key '" .. tostring(key) .. "'"
    end
  end
  for i, item in ipairs(value) do
    if type(item) ~= "string" then
      return nil, "a list of strings expected, but entry " .. i .. " is a " .. type(item)
    end
    local kept, why = readable(item)
    if not kept then
      return nil, why
    end
    copy[i] = item
  end
  return copy
end

local function map(value)
  if type(value) ~= "table" then
    return expected("a table", value)
  end
  local copy = {}
  for key, item in pairs(value) do
    local kind = type(item)
    if type(key) ~= "string" then
      return nil, "names have to be strings, not " .. tostring(key)
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return nil, "the value of '" .. key .. "' has to be a string or a number, not a " .. kind
    end
    copy[key] = tostring(item)
    local kept, why = readable(key .. copy[key])
    if not kept then
      return nil, why
    end
  end
  return copy
end

-- A value in a message: a string that looks like a number is none.
local function shown(value)
  if type(value) == "string" then
    return "the string '" .. value .. "'"
  end
  return value == nil and "nothing" or type(value)
end

local function count(least)
  return function(value)
    if math_type(value) == "integer" and value >= least and value <= 1000000 then
      return value
    end
    return nil, "a whole number from " .. least .. " expected, got " .. (type(value) == "number" and value or shown(value))
  end
end

local policies = { "fixed", "linear", "exponential" }
local function policy(value)
  for _, known in ipairs(policies) do
    if value == known then
      return value
    end
  end
  return nil, "'fixed', 'linear' or 'exponential' expected, got '" .. tostring(value) .. "'" .. meant(value, policies)
end

local function refused()
  return nil, "agents are not there yet: tasks run on this machine"
end

local TASK = {
  description = text, workdir = text, env = map, tags = list, command = fn_or_line, timeout = time, retries = count(0),
  retry_policy = policy, retry_delay = duration, depends_on = list, run_if = fn_or_line, abort_if = fn_or_line, on_success = fn,
  on_failure = fn, on_timeout = fn, async = flag, artifacts = list, delegate_to = refused,
}
local CONFIG = { timeout = time, retry_policy = policy, max_parallel = count(1) }

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
      wrong(here(), kind .. " '" .. M.record[self].name .. "' has no method '" .. tostring(name) .. "'" .. meant(name, known))
      return nothing
    end,
    __newindex = function(self, name)
      wrong(here(), kind .. " '" .. M.record[self].name .. "': '" .. tostring(name) .. "' is set by a method, not assigned")
    end,
    __name = kind,
    __tostring = function(self)
      return kind .. " '" .. M.record[self].name .. "'"
    end,
  }
end

-- What stands behind an object that the script has.
M.record = setmetatable({}, { __mode = "k" })

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
    task_methods[field] = function(self, value, more)
      local place = here()
      local record = self_of(self, "task", field, place)
      if record then
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
  record.name, record.unnamed = name_of(table.name, where, place)
  local known = names_of(TASK)
  known[#known + 1] = "name"
  for field, value in pairs(table) do
    local what = "task '" .. record.name .. "': " .. tostring(field)
    if TASK[field] then
      set(record, TASK, field, value, place, what)
    elseif field ~= "name" then
      wrong(place, "task '" .. record.name .. "' has no option '" .. tostring(field) .. "'" .. meant(field, known))
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
  for key in pairs(tasks) do
    if math_type(key) ~= "integer" or key < 1 or key > #tasks then
      wrong(place, what .. "tasks has to be a list without holes: '" .. tostring(key) .. "' is no place in one")
    end
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
      wrong(place, what .. " has no option '" .. tostring(field) .. "'" .. meant(field, names_of(CONFIG)))
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
  workflow_methods[field] = function(self, value)
    local place = here()
    local record = self_of(self, "workflow", field, place)
    if record then
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
        wrong(place, "workflow '" .. record.name .. "' has no option '" .. tostring(field) .. "'" .. meant(field, names_of(WORKFLOW)))
      end
    end
  end
  return object
end

_G.task = task
_G.workflow = setmetatable({ define = define }, {
  __index = function(_, name)
    error("workflow has no function '" .. tostring(name) .. "': there is workflow.define", 2)
  end,
  __call = function()
    error("workflow is no function: there is workflow.define", 2)
  end,
})

return M
