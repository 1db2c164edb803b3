-- A pipeline over channels: searches files for a Lua pattern. A producer reads lines, workers match them, and the main
-- script collects what they found.
--
--   sloth-runner run examples/channels.lua [-- PATTERN [FILE OR FOLDER ...]]

local goroutine = require("goroutine")

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path
local files = require("files")

local WORKERS = 4

local function fail(message)
  io.stderr:write("channels: ", message, "\n")
  os.exit(1)
end

local pattern = arg[1] or "%f[%a]wait%a*"

local paths = {}
for i = 2, math.max(2, #arg) do
  local list, err = files.list(arg[i] or here .. "/data/texts")
  if not list then
    fail(err)
  end
  for _, path in ipairs(list) do
    paths[#paths + 1] = path
  end
end

-- A producer that is faster than the workers waits once 32 lines are under way, so a large file needs little memory.
local lines = goroutine.channel(32)
local matches = goroutine.channel(32)

local producer = goroutine.async(function()
  for _, path in ipairs(paths) do
    local file <close> = assert(io.open(path, "rb"))
    local number = 0
    for text in file:lines() do
      number = number + 1
      lines:send({ name = files.name(path), number = number, text = text })
    end
  end
end)

local workers = {}
for i = 1, WORKERS do
  workers[i] = goroutine.async(function()
    -- Ends when `lines` is closed and every line has been taken.
    lines:range(function(line)
      if line.text:find(pattern) then
        matches:send(line)
      end
    end)
  end)
end

-- A channel is closed when all who send to it have ended, also if they failed; otherwise its receivers would wait for
-- ever for what never comes.
local function close_after(senders, channel)
  goroutine.spawn(function()
    goroutine.await_all(senders)
    channel:close()
  end)
end
close_after({ producer }, lines)
close_after(workers, matches)

local found = {}
for line in matches:iter() do
  found[#found + 1] = line
end

-- The workers come first: without them the producer would still be waiting for room in `lines`.
table.insert(workers, producer)
for _, handle in ipairs(workers) do
  local ok, err = goroutine.await(handle)
  if not ok then
    fail(err)
  end
end

-- Lines of several workers arrive in any order.
table.sort(found, function(a, b)
  if a.name ~= b.name then
    return a.name < b.name
  end
  return a.number < b.number
end)
for _, line in ipairs(found) do
  print(("%s:%d: %s"):format(line.name, line.number, line.text))
end
print(("%d lines match in %d files"):format(#found, #paths))
