-- A pipeline over a log file: reads lines, parses them, keeps what is slow or failed, and sums up. What cannot be parsed
-- comes out at the side.
--
--   sloth-runner run examples/log_pipeline.lua [-- FILE]

local goroutine = require("goroutine")

local here = arg[0]:match("^(.*)/") or "."
local path = arg[1] or here .. "/data/requests.log"
local SLOW = 80 -- milliseconds

local function fail(message)
  io.stderr:write("log_pipeline: ", message, "\n")
  os.exit(1)
end

-- The file is opened here, so that a wrong path is told before anything runs; its lines are read in a goroutine, which
-- opens it for itself: a file cannot travel.
local file, err = io.open(path, "r")
if not file then
  fail(err)
end
file:close()

local lines = goroutine.channel(20)
local reader = goroutine.async(function()
  local number = 0
  for text in io.lines(path) do
    number = number + 1
    -- False when nobody wants more.
    if not lines:send({ number = number, text = text }) then
      return number
    end
  end
  lines:close()
  return number
end)

local function parse(line)
  local time, target, status, ms = line.text:match("^(%d%d:%d%d:%d%d) GET (%S+) (%d%d%d) (%d+)ms$")
  if not time then
    error(("line %d: %s"):format(line.number, line.text), 0)
  end
  return { number = line.number, time = time, target = target, status = tonumber(status), ms = tonumber(ms) }
end

-- Returns nothing for what is fine, which drops it.
local function remarkable(request)
  if request.status >= 500 then
    return ("%s %s failed"):format(request.time, request.target)
  elseif request.ms > SLOW then
    return ("%s %s took %d ms"):format(request.time, request.target, request.ms)
  end
end

-- One worker each keeps the order of the lines.
local found, errors = goroutine.pipeline(lines, {
  { fn = parse, capacity = 20 },
  { fn = remarkable },
})

local count = 0
for text in found:iter() do
  count = count + 1
  print(text)
end
print(("%d requests are worth a look"):format(count))
for text in errors:iter() do
  print("not understood: " .. text)
end
local ok, read = reader:await()
if not ok then
  fail(read)
end
print(("%d lines were read"):format(read))
