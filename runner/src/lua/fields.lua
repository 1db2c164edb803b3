-- What a field of a task or of a workflow may be: each function gives what is kept, or nil and what is wrong.
--
-- Called with: nearest(name, names), the one of the names that may be meant, or nil; duration(value), which gives seconds, or
-- nil and a message; pattern(text), what is wrong with a pattern for files, or nil.
local nearest, duration, pattern = ...

local type, select, tostring, math_type = type, select, tostring, math.type
local setmetatable, utf8_length, to_integer, concat = setmetatable, utf8.len, math.tointeger, table.concat
local next, rawget, rawlen = next, rawget, rawlen

-- Tables of the script's are looked at as they are: no metamethod of theirs is called.
local function pairs(t)
  return next, t
end
local function following(t, i)
  local value = rawget(t, i + 1)
  if value ~= nil then
    return i + 1, value
  end
end
local function ipairs(t)
  return following, t, 0
end

local MANY = 30

-- A key as messages show it.
local function plain(key)
  local kind = type(key)
  return (kind == "string" or kind == "number" or kind == "boolean") and tostring(key) or "a " .. kind
end

-- What may be meant; if nothing is near, all there is, if that is wanted.
local function meant(name, names, all)
  local near = type(name) == "string" and nearest(name, names)
  if near then
    return ", did you mean '" .. near .. "'?"
  end
  local more = #names > MANY
  return all and ": there are " .. concat(names, ", ", 1, more and MANY or #names) .. (more and ", ..." or "") or ""
end

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

-- What is given to the system, which takes a NUL byte for the end.
local function whole(value)
  if value:find("\0", 1, true) then
    return nil, "it has a NUL byte in it"
  end
  return readable(value)
end

local function folder(value)
  if type(value) ~= "string" then
    return expected("a string", value)
  elseif value == "" then
    return nil, "the path is empty"
  end
  return whole(value)
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
  return whole(value)
end

local function time(value)
  local seconds, why = duration(value)
  if seconds == 0 then
    return nil, "a timeout has to be more than 0"
  end
  return seconds, why
end

-- What stands behind an object that the script has: what is noted of a task or a workflow.
local record = setmetatable({}, { __mode = "k" })

-- A task or a workflow where its name is expected.
local function itself(value)
  return record[value] and tostring(value)
end

-- The first place of a list that holds nothing, where others after it do: mostly that of a variable that there is not. The keys are
-- places, which was looked at.
local function hole(value)
  local count, first = 0, 1
  for _ in pairs(value) do
    count = count + 1
  end
  for i in ipairs(value) do
    first = i + 1
  end
  return count < rawlen(value) and first or nil
end

local function is_nil(place)
  return "entry " .. place .. " is nil, and others follow: is its name written right?"
end

local function list(value)
  if value ~= nil and itself(value) then
    return nil, "a string or a list of strings expected, got " .. itself(value) .. " itself: write its name"
  elseif type(value) == "string" then
    value = { value }
  elseif type(value) ~= "table" then
    return expected("a string or a list of strings", value)
  end
  local copy = {}
  for key in pairs(value) do
    if math_type(key) ~= "integer" or key < 1 or key > rawlen(value) then
      return nil, "a list of strings expected, but it has the key '" .. plain(key) .. "'"
    end
  end
  local empty = hole(value)
  if empty then
    return nil, "a list without holes expected, but " .. is_nil(empty)
  end
  for i, item in ipairs(value) do
    if type(item) ~= "string" then
      local what = itself(item) and itself(item) .. " itself: write its name" or "a " .. type(item)
      return nil, "a list of strings expected, but entry " .. i .. " is " .. what
    end
    local kept, why = readable(item)
    if not kept then
      return nil, why
    end
    copy[i] = item
  end
  return copy
end

-- Files that have to be there, each by a path or a pattern.
local function files(value)
  local kept, why = list(value)
  for _, path in ipairs(kept or {}) do
    if path == "" then
      return nil, "a path is empty"
    end
    local _, wrong = whole(path)
    wrong = wrong or pattern(path)
    if wrong then
      return nil, "'" .. path .. "': " .. wrong
    end
  end
  return kept, why
end

-- Variables of the environment.
local function map(value)
  if type(value) ~= "table" then
    return expected("a table", value)
  end
  local copy = {}
  for key, item in pairs(value) do
    local kind = type(item)
    if type(key) ~= "string" then
      return nil, "names have to be strings, not " .. plain(key) .. ": write { NAME = \"value\" }"
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return nil, "the value of '" .. key .. "' has to be a string or a number, not a " .. kind
    end
    copy[key] = tostring(item)
    local kept, why = whole(key .. copy[key])
    if key == "" then
      return nil, "a name is empty"
    elseif key:find("=", 1, true) then
      return nil, "the name '" .. key .. "' has a '=' in it"
    elseif not kept then
      return nil, "'" .. key .. "': " .. why
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

local MOST = 1000000
local function count(least)
  return function(value)
    local number = type(value) == "number" and to_integer(value) -- 8 / 2 is 4, too
    if number and number >= least and number <= MOST then
      return number
    end
    return nil, "a whole number from " .. least .. " to " .. MOST .. " expected, got " .. (type(value) == "number" and value or shown(value))
  end
end

local policies = { "fixed", "linear", "exponential" }
local function policy(value)
  for _, known in ipairs(policies) do
    if value == known then
      return value
    end
  end
  return nil, "'fixed', 'linear' or 'exponential' expected, got " .. (type(value) == "string" and "'" .. value .. "'" or type(value)) .. meant(value, policies)
end

local function refused()
  return nil, "agents are not there yet: tasks run on this machine"
end

local TASK = {
  description = text, workdir = folder, env = map, tags = list, command = fn_or_line, timeout = time, retries = count(0),
  retry_policy = policy, retry_delay = duration, depends_on = list, run_if = fn_or_line, abort_if = fn_or_line, on_success = fn,
  on_failure = fn, on_timeout = fn, async = flag, artifacts = files, delegate_to = refused,
}
local CONFIG = { timeout = time, retry_policy = policy, max_parallel = count(1) }

-- Values that are too many for a method, if any are: what is said of them. Lists are often written so; the number that `gsub` gives beside
-- its text does no harm.
local function too_many(field, most, ...)
  for i = most + 1, select("#", ...) do
    local extra = select(i, ...)
    if extra ~= nil and not (type(extra) == "number" and type((...)) == "string") then
      local is_list = field == "tasks" or TASK[field] == list or TASK[field] == files
      return field .. " takes " .. (most == 1 and "one value" or most .. " values") .. (is_list and ": put them into a list, {...}" or "")
    end
  end
end

return {
  pairs = pairs, ipairs = ipairs, plain = plain, hole = hole, is_nil = is_nil,
  record = record, TASK = TASK, too_many = too_many, CONFIG = CONFIG, text = text, readable = readable, fn = fn, meant = meant,
}
