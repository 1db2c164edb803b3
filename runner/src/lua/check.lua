-- What is wrong with the definitions as a whole, and in which order tasks come. Nothing has run yet.
--
-- Called with: what define.lua gives; the name of the workflow for tasks that are in none; the tasks that were asked for (a list, or nil for
-- all); the global `params`; the script's path.
local M, file, wanted, params, script = ...

local meant, errors = M.meant, M.errors

local function wrong(place, message)
  errors[#errors + 1] = { place = place, message = message }
end

-- Tasks that no workflow names, and the names of those that were forgotten.
local loose, unbuilt = {}, {}
for _, task in ipairs(M.tasks) do
  if task.built and not task.used then
    loose[#loose + 1] = task
  elseif not task.built and not task.used then
    unbuilt[task.name] = true
    wrong(task.place, "task '" .. task.name .. "' is not built and in no workflow, so it would never run: end it with :build()")
  end
end
if #loose > 0 then
  M.workflows[#M.workflows + 1] = { name = file, place = loose[1].place, tasks = loose, config = { places = {} } }
end

-- Notes a circle of dependencies, once, where its first task was defined.
local function find_cycles(workflow)
  local state, told = {}, {}
  local function visit(task, path)
    if state[task] == "done" then
      return
    elseif state[task] == "open" then
      local names, start = {}, 1
      while path[start] ~= task do
        start = start + 1
      end
      for i = start, #path do
        names[#names + 1] = path[i].name
        if told[path[i]] then
          return
        end
      end
      if start == #path then
        return -- it depends on itself, which is told elsewhere
      end
      for i = start, #path do
        told[path[i]] = true
      end
      wrong(task.places.depends_on or task.place, "tasks depend on each other in a circle: " .. table.concat(names, " -> ")
        .. " -> " .. task.name)
      return
    end
    state[task] = "open"
    path[#path + 1] = task
    for _, name in ipairs(task.depends_on or {}) do
      if workflow.by_name[name] then
        visit(workflow.by_name[name], path)
      end
    end
    path[#path] = nil
    state[task] = "done"
  end
  for _, task in ipairs(workflow.tasks) do
    visit(task, {})
  end
end

local workflow_names, all_names = {}, {}
for _, workflow in ipairs(M.workflows) do
  local what = "workflow '" .. workflow.name .. "'"
  if workflow_names[workflow.name] and not workflow.unnamed then
    wrong(workflow.place, what .. " is defined twice, first at " .. workflow_names[workflow.name])
  end
  workflow_names[workflow.name] = workflow.place
  if #workflow.tasks == 0 and not workflow.unnamed then
    wrong(workflow.place, what .. " has no tasks")
  end
  workflow.by_name = {}
  local names = {}
  for _, task in ipairs(workflow.tasks) do
    local before = workflow.by_name[task.name]
    if before and not task.unnamed then
      wrong(task.place, "task '" .. task.name .. "' is in " .. what .. " twice, first from " .. before.place)
    end
    workflow.by_name[task.name] = task
    names[#names + 1], all_names[#all_names + 1] = task.name, task.name
    if not task.places.command and not task.checked then
      wrong(task.place, "task '" .. task.name .. "' has no command")
    end
    task.checked = true
  end
  for _, task in ipairs(workflow.tasks) do
    local place = task.places.depends_on
    local again = task.looked_at == workflow
    task.looked_at = workflow
    for _, name in ipairs(again and {} or task.depends_on or {}) do
      if name == task.name then
        wrong(place, "task '" .. task.name .. "' depends on itself")
      elseif not workflow.by_name[name] then
        wrong(place, "task '" .. task.name .. "' depends on '" .. name .. "', which is " .. (unbuilt[name] and "not built" or "not in " .. what .. meant(name, names)))
      end
    end
  end
  find_cycles(workflow)
end

-- Those that were asked for, and what they need.
if wanted then
  for _, name in ipairs(wanted) do
    local found = false
    for _, workflow in ipairs(M.workflows) do
      local function need(task, why)
        if workflow.chosen[task] then
          return
        end
        workflow.chosen[task] = why
        for _, dependency in ipairs(task.depends_on or {}) do
          if workflow.by_name[dependency] then
            need(workflow.by_name[dependency], "needed by " .. task.name)
          end
        end
      end
      workflow.chosen = workflow.chosen or {}
      if workflow.by_name[name] then
        found = true
        workflow.chosen[workflow.by_name[name]] = "asked for"
        for _, dependency in ipairs(workflow.by_name[name].depends_on or {}) do
          if workflow.by_name[dependency] then
            need(workflow.by_name[dependency], "needed by " .. name)
          end
        end
      end
    end
    if not found then
      wrong(nil, "there is no task '" .. name .. "'" .. (#all_names == 0 and ": the script defines none" or meant(name, all_names, true)))
    end
  end
end

if type(params) ~= "table" and #M.workflows > 0 then
  -- Nobody knows in which line.
  wrong(script, "the global 'params', which tasks get, is set to " .. (params == nil and "nil" or "a " .. type(params)) .. ": it has to be a table")
end

if #errors > 0 then
  -- In the order of the lines, whatever the order in which they were found.
  local function line(e)
    local file, number = (e.place or ""):match("^(.*):(%d+)$")
    return file or "", tonumber(number) or math.huge
  end
  table.sort(errors, function(a, b)
    local file_a, line_a = line(a)
    local file_b, line_b = line(b)
    if file_a ~= file_b then
      return file_a < file_b
    elseif line_a ~= line_b then
      return line_a < line_b
    end
    return a.message < b.message
  end)
  return errors
end

-- The order: always the first in the list of those whose dependencies are done.
for _, workflow in ipairs(M.workflows) do
  local order, done = {}, {}
  local function ready(task)
    if done[task] or workflow.chosen and not workflow.chosen[task] then
      return false
    end
    for _, name in ipairs(task.depends_on or {}) do
      if not done[workflow.by_name[name]] then
        return false
      end
    end
    return true
  end
  local found
  repeat
    found = false
    for _, task in ipairs(workflow.tasks) do
      if ready(task) then
        order[#order + 1], done[task], found = task, true, true
        break
      end
    end
  until not found
  workflow.order = order
end
return errors
