-- What a dry run shows. Called with: the workflows; show(seconds), how people read a duration; visible(text [, indent]), the text with its
-- control characters written out, or all but its line breaks. Gives a table for the event, and text.
local workflows, show, visible = ...

local lines, event = {}, {}

local function line(...)
  lines[#lines + 1] = table.concat({ ... })
end

local function what(command)
  if type(command) == "string" then
    return "$ " .. command
  end
  local info = debug.getinfo(command, "S")
  return "function at " .. info.short_src .. ":" .. info.linedefined
end

local function reasons(workflow, task, position)
  local why = {}
  if workflow.chosen and workflow.chosen[task] then
    why[#why + 1] = workflow.chosen[task]
  end
  if task.depends_on and #task.depends_on > 0 then
    why[#why + 1] = "after " .. table.concat(task.depends_on, ", ")
  elseif position == 1 then
    why[#why + 1] = "first in the list"
  else
    why[#why + 1] = "in the order of the list"
  end
  if workflow.config.max_parallel and workflow.config.max_parallel > 1 then
    why[#why + 1] = "overlaps with others (max_parallel = " .. workflow.config.max_parallel .. ")"
  elseif task.async then
    why[#why + 1] = "those after it do not wait for it (async)"
  end
  return table.concat(why, "; ")
end

for _, workflow in ipairs(workflows) do
  local tasks = {}
  if #workflow.order > 0 then
    line("workflow ", visible(workflow.name), workflow.version and " " .. visible(workflow.version) or "", ":")
  end
  for i, task in ipairs(workflow.order) do
    local why = reasons(workflow, task, i)
    line("  ", i, ". ", visible(task.name), ": ", visible(why))
    if task.description then
      line("     ", visible(task.description, "       "))
    end
    line("     ", visible(what(task.command), "       "))
    for _, condition in ipairs({ "abort_if", "run_if" }) do
      if task[condition] then
        line("     ", condition, " ", visible(what(task[condition]), "       "))
      end
    end
    if task.timeout then
      line("     timeout ", show(task.timeout))
    end
    local policy = task.retry_policy or workflow.config.retry_policy or "fixed"
    if (task.retries or 0) > 0 then
      line("     retries ", task.retries, ", ", policy, ", ", show(task.retry_delay or 1), " between")
    end
    tasks[i] = {
      order = i, task = task.name, reason = why, command = what(task.command), depends_on = task.depends_on,
      tags = task.tags, description = task.description,
    }
  end
  if workflow.chosen then
    for _, task in ipairs(workflow.tasks) do
      if not workflow.chosen[task] then
        line("  not run: ", visible(task.name), " (not asked for)")
      end
    end
  end
  if #tasks > 0 then
    event[#event + 1] = { workflow = workflow.name, tasks = tasks }
  end
end

return { workflows = event }, table.concat(lines, "\n") .. "\n"
