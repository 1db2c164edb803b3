-- Runs the workflows. Called with: the workflows; strand.lua's functions; tell(kind, fields), which is how everything is told;
-- interrupted(); meant(name, names, all), which are given if none is near; found(patterns, workdir), the files of artifacts, or nil and the patterns without one; params; goroutine, the module;
-- unwind(), which lets what was interrupted come to its end.
-- Gives whether all went well.
local workflows, strand, tell, interrupted, meant, found, params, goroutine, unwind = ...

local now = goroutine.now
local LONGEST_DELAY = 60 -- seconds, of a delay that doubles

-- What commands get as their first argument.

local THIS = { "name", "workdir", "attempt" }
local function this_of(task, attempt)
  local this = {}
  function this.name()
    return task.name
  end
  function this.workdir()
    return task.workdir or "."
  end
  function this.attempt()
    return attempt
  end
  return setmetatable(this, {
    __index = function(_, name)
      error("'this' has no method '" .. tostring(name) .. "'" .. meant(name, THIS, true), 2)
    end,
  })
end

-- The outcome of a part of a task: { status =, output =, message =, error =, traceback =, value = },
-- where `value` is that of an error which is no text.

local STATUS = { error = "failed", timeout = "timeout", interrupted = "cancelled" }

-- What a command says of itself: of an object, what it says or holds, as of an error.
local function as_text(value, task, last)
  if type(value) ~= "table" and type(value) ~= "userdata" then
    return value ~= nil and tostring(value) or nil
  end
  return (strand.text(task.timeout, last, task, value):gsub("^%(error object is a table value", "(a table"))
end

-- What is no text, for hooks.
local function object(value)
  local kind = type(value) -- errors of Rust functions are userdata, and text to the script
  return kind ~= "string" and kind ~= "userdata" and value or nil
end

local function function_outcome(task, last, how, first, second, third)
  if how ~= "ok" then
    return { status = STATUS[how], error = first, traceback = second ~= "" and second or nil, value = object(third) }
  elseif type(first) ~= "boolean" then
    local unseen = first == nil and type(second) == "string" and second or nil
    return { status = "ok", output = first, unseen = unseen }
  elseif first then
    return { status = "ok", message = as_text(second, task, last), output = third }
  end
  return { status = "failed", error = as_text(second, task, last) or "the command returned false", value = object(second), output = third }
end

local function shell_outcome(result, err)
  if not result then
    if interrupted() then
      return { status = "cancelled", error = "interrupted" }
    end
    local timeout = err == "timeout exceeded"
    return { status = timeout and "timeout" or "failed", error = err }
  end
  local output = { stdout = result.stdout, stderr = result.stderr, exit_code = result.exit_code }
  if result.success then
    return { status = "ok", output = output }
  end
  -- What a command has written over its own line before is over.
  local last = result.stderr:match("([^\r\n]+)[\r\n]*$")
  return { status = "failed", error = "exit code " .. result.exit_code .. (last and ": " .. last or ""), output = output }
end

local function shell_options(task, limit, last)
  local left = last and math.max(0.001, (last - now()) / 1000)
  limit = limit and left and math.min(limit, left) or limit or left
  return { workdir = task.workdir, env = task.env, timeout = limit, stream = task.name }
end

local function attempt_command(task, attempt, deps, limit, last)
  if type(task.command) == "string" then
    return shell_outcome(strand.shell(task.command, shell_options(task, limit, last)))
  end
  return function_outcome(task, last, strand.call(limit, last, task, task.command, this_of(task, attempt), params, deps))
end

-- Whether a condition holds; if it cannot be told, nil and the outcome of the task.
local function condition(task, field, deps, last)
  local test = task[field]
  local outcome
  if type(test) == "string" then
    local result, err = strand.shell(test, shell_options(task, task.timeout, last))
    if result then
      return result.success
    end
    outcome = shell_outcome(result, err)
  else
    local how, first, second = strand.call(task.timeout, last, task, test, this_of(task, 1), params, deps)
    if how == "ok" then
      return first and true or false
    end
    outcome = function_outcome(task, last, how, first, second)
  end
  outcome.error = field .. ": " .. outcome.error
  return nil, outcome
end

-- What a hook is called in a message: an error has a line, that its time is over has none.
local function hook_name(name, fn, how)
  if how ~= "timeout" then
    return name
  end
  local info = debug.getinfo(fn, "S")
  return name .. " (" .. info.short_src .. ":" .. info.linedefined .. ")"
end

local function delay_of(policy, base, attempt)
  if policy == "linear" then
    return base * attempt
  elseif policy == "exponential" then
    return math.max(base, math.min(base * 2 ^ (attempt - 1), LONGEST_DELAY))
  end
  return base
end

local function run_workflow(workflow)
  local begin, results, config = now(), {}, workflow.config
  local until_ = config.timeout and begin + config.timeout * 1000
  local aborted -- why the workflow was stopped

  local function finish(task, started, attempts, outcome, ended)
    local result = {
      workflow = workflow.name, task = task.name, status = outcome.status, attempts = attempts,
      duration = started and ((ended or now()) - started) / 1000 or 0, where = attempts > 0 and "local" or "", message = outcome.message,
      error = outcome.error, traceback = outcome.traceback, artifacts = outcome.artifacts, output = outcome.output,
      skipped_by_itself = outcome.skipped_by_itself,
    }
    results[task.name] = result
    tell("task_end", result)
  end

  -- Runs a hook of the task. Of one that fails: how, an error, a traceback. It may take as long as an attempt, from when it begins: what
  -- tidies up after a task whose time is over needs some.
  local function hook(task, name, attempt, ...)
    if not task[name] then
      return
    end
    local how, message, trace = strand.call(task.timeout or config.timeout, nil, task, task[name], this_of(task, attempt), ...)
    if how ~= "ok" then
      return how, hook_name(name, task[name], how) .. ": " .. message, trace ~= "" and trace or nil
    end
  end

  -- What follows the last attempt, which has ended then. Whether a task went well is known when its hook has ended. Of another it is told
  -- at once: its hook may have to wait for a function that computes.
  local function conclude(task, started, attempts, outcome)
    local ended = now()
    if outcome.status == "ok" then
      local how, why, trace = hook(task, "on_success", attempts, outcome.output)
      if how then
        outcome.status, outcome.error, outcome.traceback = STATUS[how], why, trace
      end
      return finish(task, started, attempts, outcome, ended)
    end
    finish(task, started, attempts, outcome, ended)
    local how, why, trace
    if outcome.status == "timeout" then
      how, why, trace = hook(task, "on_timeout", attempts, outcome.error)
    elseif outcome.status == "failed" then
      local value = outcome.value
      if value == nil then
        value = outcome.error
      end
      how, why, trace = hook(task, "on_failure", attempts, value, outcome.output)
    end
    if how and how ~= "interrupted" then
      local result = results[task.name]
      result.error = (result.error or "") .. "\n" .. why
      tell("hook_failed", { workflow = workflow.name, task = task.name, error = why, traceback = trace })
    end
  end

  local begun = {} -- tasks that have not ended: when each began, and the attempts
  local function live(task)
    local started, attempts, deps = now(), 0, {}
    begun[task] = { started, 0 }
    for _, name in ipairs(task.depends_on or {}) do
      deps[name] = results[name].output
    end
    if task.abort_if then
      local holds, outcome = condition(task, "abort_if", deps, until_)
      if holds then
        aborted = "abort_if of " .. task.name
        return finish(task, started, 0, { status = "aborted", error = "abort_if holds" })
      elseif holds == nil then
        return finish(task, started, 0, outcome)
      end
    end
    if task.run_if then
      local holds, outcome = condition(task, "run_if", deps, until_)
      if holds == false then
        return finish(task, started, 0, { status = "skipped", error = "run_if does not hold", skipped_by_itself = true })
      elseif holds == nil then
        return finish(task, started, 0, outcome)
      end
    end
    local outcome
    repeat
      attempts = attempts + 1
      begun[task][2] = attempts
      tell("task_start", { workflow = workflow.name, task = task.name, attempt = attempts })
      outcome = attempt_command(task, attempts, deps, task.timeout, until_)
      if outcome.unseen then
        tell("warning", { task = task.name, message = "the command has returned nil and '" .. outcome.unseen
          .. "', which counts as ok: only false, or an error, is a failure" })
      end
      local again = (outcome.status == "failed" or outcome.status == "timeout") and attempts <= (task.retries or 0)
        and not (until_ and now() >= until_)
      if again then
        local delay = delay_of(task.retry_policy or config.retry_policy, task.retry_delay or 1, attempts)
        tell("task_retry", { workflow = workflow.name, task = task.name, attempt = attempts, error = outcome.error, delay = delay })
        strand.sleep(until_ and math.min(delay, math.max(0, (until_ - now()) / 1000)) or delay)
      end
    until not again or until_ and now() >= until_
    if outcome.status == "timeout" and until_ and now() >= until_ then
      outcome.error = "the time of the workflow is over"
    end
    if outcome.status == "ok" and task.artifacts then
      local files, missing = found(task.artifacts, task.workdir or ".")
      outcome.artifacts = files
      if missing then
        outcome.status, outcome.error = "failed", "artifact not found: " .. missing
      end
    end
    conclude(task, started, attempts, outcome)
  end

  -- Why a task that has not begun never will.
  local function hopeless(task)
    if interrupted() then
      return "cancelled", "interrupted"
    elseif aborted then
      return "aborted", aborted
    elseif until_ and now() >= until_ then
      return "skipped", "the time of the workflow is over"
    end
    for _, name in ipairs(task.depends_on or {}) do
      local result = results[name]
      if result and result.status ~= "ok" and not result.skipped_by_itself then
        return "skipped", name .. " " .. (result.status == "skipped" and "was skipped" or "ended as " .. result.status)
      end
    end
  end

  local function ready(task)
    for _, name in ipairs(task.depends_on or {}) do
      if not results[name] then
        return false
      end
    end
    return true
  end

  tell("workflow_start", { workflow = workflow.name, tasks = #workflow.order })
  local failed -- why the workflow failed, beyond its tasks
  local this = { name = workflow.name, place = workflow.place, is_workflow = true }
  -- Calls a hook of the workflow.
  local function workflow_hook(name, limit, last, ...)
    local args = table.pack(...)
    local how, message, trace = "interrupted", "interrupted", ""
    strand.beside(this, function()
      how, message, trace = strand.call(limit, last, this, workflow[name], table.unpack(args, 1, args.n))
    end)
    if how ~= "ok" then
      local why = hook_name(name, workflow[name], how) .. ": " .. message .. (trace ~= "" and "\n" .. trace or "")
      failed = failed and failed .. "\n" .. why or why
    end
    return how == "ok"
  end
  if workflow.on_start and not interrupted() and not workflow_hook("on_start", nil, until_) then
    aborted = "on_start failed"
  end

  local pending, running, alone = {}, 0, false
  for i, task in ipairs(workflow.order) do
    pending[i] = task
  end
  local begin_ready
  local function start(task)
    local is_alone = not task.async and not config.max_parallel
    running, alone = running + 1, is_alone
    local begins = strand.start(task, function()
      local ok, why = strand.try(live, task)
      if not ok and not results[task.name] then
        local at = begun[task]
        -- The program ends, as `os.exit` has it: nothing is to begin.
        local ends = why:find("^cancelled") ~= nil
        finish(task, at[1], at[2], { status = ends and "cancelled" or "failed", error = ends and "the program ended" or why })
      end
      running = running - 1
      if is_alone then
        alone = false
      end
      -- Here, and not where the end is waited for: that waits while a function computes.
      if ok then
        begin_ready()
      end
    end)
    if not begins then
      running, alone = running - 1, false
      finish(task, nil, 0, { status = "cancelled", error = "interrupted" })
    end
  end
  -- Begins what can begin now, and finishes what never will.
  function begin_ready()
    local i = 1
    while i <= #pending do
      local task = pending[i]
      local status, why = hopeless(task)
      if status then
        table.remove(pending, i)
        finish(task, nil, 0, { status = status, error = why })
      elseif not alone and running < (config.max_parallel or math.huge) and ready(task) then
        table.remove(pending, i)
        start(task)
        i = 1 -- what it was needed for may be ready now
      else
        i = i + 1
      end
    end
  end
  begin_ready()
  while #pending > 0 or strand.any() do
    if strand.any() and not strand.step() then
      unwind()
      for _, task in ipairs(workflow.order) do
        if begun[task] and not results[task.name] then
          finish(task, begun[task][1], begun[task][2], { status = "cancelled", error = "interrupted" })
        end
      end
    end
    begin_ready()
  end
  if not interrupted() then
    strand.settle()
  end

  local success = not failed
  for _, result in pairs(results) do
    if result.status ~= "ok" and not result.skipped_by_itself then
      success = false
    end
  end
  if workflow.on_complete and not interrupted() and not workflow_hook("on_complete", config.timeout, nil, success, results) then
    success = false
  end
  tell("workflow_end", { workflow = workflow.name, success = success, duration = (now() - begin) / 1000, error = failed })
  return success
end

local well = true
for _, workflow in ipairs(workflows) do
  if #workflow.order > 0 then
    well = run_workflow(workflow) and well
  end
end
return well
