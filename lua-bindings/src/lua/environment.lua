-- The globals of goroutines. Each goroutine has a table of its own; what it lacks is looked for among the standard
-- globals of the isolate, through the metatable made here.
local base = _G
local next, rawget, rawset, setmetatable, error = next, rawget, rawset, setmetatable, error

local metatable = { __index = base }

-- Makes the table complete, and takes its metatable off: the goroutine's code looks at the table itself (`_G`, `_ENV`,
-- `load`), and finds what it would find in a state of its own.
local function complete(environment)
  if rawget(environment, "_G") == environment then
    return
  end
  for name, value in next, base do
    if rawget(environment, name) == nil then
      rawset(environment, name, value)
    end
  end
  rawset(environment, "_G", environment)
  setmetatable(environment, nil)
end

-- Makes touching some globals raise: they could not travel.
local function poison(environment, reasons)
  local whole = rawget(environment, "_G") == environment
  setmetatable(environment, {
    __index = function(_, name)
      local reason = reasons[name]
      if reason then
        error(reason, 2)
      end
      if not whole then
        return base[name]
      end
    end,
    __newindex = function(_, name, value)
      reasons[name] = nil
      rawset(environment, name, value)
    end,
  })
end

return metatable, complete, poison
