-- `task` and `workflow` in an isolate: there they refuse, at the line that uses them.
local error, getinfo, setmetatable = error, debug.getinfo, setmetatable

local function refuse()
  local level, info = 2, getinfo(2, "Sl")
  while info and info.currentline <= 0 do -- after a tail call there is none
    level = level + 1
    info = getinfo(level, "Sl")
  end
  local place = info and info.short_src .. ":" .. info.currentline .. ": " or ""
  error(place .. "tasks and workflows are defined by the script itself: a goroutine that runs beside it has a state of its own", 0)
end

local function refusing(name, fields)
  return setmetatable(fields, { __call = refuse, __index = refuse, __newindex = refuse, __name = name })
end

task = refusing("task", {})
workflow = refusing("workflow", { define = refusing("workflow.define", {}) })
