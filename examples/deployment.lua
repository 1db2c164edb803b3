-- Deploys to all servers of a list at once: each attempt may take only so long, and what failed is tried again. The
-- deployment itself is simulated, by what the list says about each server.
--
--   sloth-runner run examples/deployment.lua [-- SERVERS_FILE]

local goroutine = require("goroutine")

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path
local files = require("files")

local ATTEMPTS, LIMIT, PAUSE = 3, 500, 50 -- times in milliseconds

local function fail(message)
  io.stderr:write("deployment: ", message, "\n")
  os.exit(1)
end

local function read_servers(path)
  local text, err = files.read(path)
  if not text then
    fail(err)
  end
  local servers, number = {}, 0
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    local name, rest = line:match("^%s*([^%s#]+)(.*)")
    if name then
      local server = { name = name, attempts = {} }
      for outcome in rest:gmatch("%S+") do
        if outcome ~= "ok" and outcome ~= "refused" and outcome ~= "slow" then
          fail(("%s:%d: 'ok', 'refused' or 'slow' expected, not '%s'"):format(path, number, outcome))
        end
        table.insert(server.attempts, outcome)
      end
      table.insert(servers, server)
    end
  end
  if #servers == 0 then
    fail("no servers in " .. path)
  end
  return servers
end

-- One attempt. What a real one would wait for, a connection and a command's end, is a sleep here.
local function install(server, attempt)
  local outcome = server.attempts[attempt] or "ok"
  if outcome == "refused" then
    error("connection refused", 0)
  elseif outcome == "slow" then
    goroutine.sleep(60000)
  end
  goroutine.sleep(20)
  return "version 2 is running"
end

local function deploy(server)
  local history = {}
  for attempt = 1, ATTEMPTS do
    -- When the time is up the attempt is stopped, not merely left behind: it cannot finish later, beside the next one.
    local ok, message = goroutine.timeout(LIMIT, install, server, attempt)
    table.insert(history, message)
    if ok then
      return { name = server.name, ok = true, history = history }
    elseif attempt < ATTEMPTS then
      goroutine.sleep(PAUSE * attempt)
    end
  end
  return { name = server.name, ok = false, history = history }
end

local servers = read_servers(arg[1] or here .. "/data/servers.txt")

-- The wait group tells when all are through; what came of each goes through the channel, which has room for all of
-- them, so that nobody waits there.
local group = goroutine.wait_group()
local reports = goroutine.channel(#servers)
local started = goroutine.now()

group:add(#servers) -- before they start: afterwards the first might be done before the last is counted
for _, server in ipairs(servers) do
  goroutine.spawn(function()
    reports:send(deploy(server))
    group:done()
  end)
end

if not group:wait(30000) then
  fail("still not through after 30 s")
end
reports:close()

local by_name, failed = {}, 0
reports:range(function(report)
  by_name[report.name] = report
end)

for _, server in ipairs(servers) do
  local report = by_name[server.name]
  failed = failed + (report.ok and 0 or 1)
  print(("%-10s %-6s %s"):format(server.name, report.ok and "ok" or "FAILED", table.concat(report.history, ", ")))
end
print(("%d of %d servers deployed"):format(#servers - failed, #servers))
-- One after another, the slow ones alone would have taken three times as long.
print(("time: %.2f s"):format((goroutine.now() - started) / 1000))
