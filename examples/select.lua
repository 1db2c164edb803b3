-- The first answer wins: asks three mirrors (simulated) at once, shows that it is still waiting, and gives up in time.
--
--   sloth-runner run examples/select.lua [-- LIMIT]

local goroutine = require("goroutine")

local limit = tonumber(arg[1] or 5000)
if not limit or limit ~= limit then
  io.stderr:write(("select: a number of milliseconds expected, not '%s'\n"):format(arg[1]))
  os.exit(1)
end

-- What a mirror answers, and after how long. The third is down.
local MIRRORS = {
  { name = "far", ms = 60000, answer = "files from far away" },
  { name = "near", ms = 400, answer = "files from nearby" },
  { name = "down", ms = 1 },
}

local function ask(mirror)
  goroutine.sleep(mirror.ms)
  if not mirror.answer then
    error(mirror.name .. " is down", 0)
  end
  return mirror.answer
end

local asked, cases = {}, {}
for i, mirror in ipairs(MIRRORS) do
  asked[i] = goroutine.async(ask, mirror)
  cases[i] = {
    handle = asked[i],
    handler = function(ok, answer)
      return ok and mirror.name or nil, answer
    end,
  }
end

local ticker, ticks = goroutine.ticker(10), 0
cases[#cases + 1] = { channel = ticker, receive = true, handler = function() ticks = ticks + 1 end }
-- One channel for the whole of it: a case `after` would begin anew with each select.
cases[#cases + 1] = { channel = goroutine.after(limit), receive = true, handler = function() return "time is up" end }

local down = 0
while true do
  local index, name, answer = goroutine.select(cases)
  if index == #cases then
    print(name)
    break
  elseif cases[index].channel == ticker then
    -- Still waiting; a program with a screen would show it.
  elseif name then
    print(("%s was the first: %s"):format(name, answer))
    break
  else
    -- A goroutine that has ended stays so: its case would happen again and again.
    print("one that does not answer: " .. answer)
    table.remove(cases, index)
    down = down + 1
  end
end
ticker:stop()

-- Nobody wants the others' answers any more.
for _, handle in ipairs(asked) do
  handle:cancel("another was faster")
end
print(("%d down, waiting was shown: %s"):format(down, ticks > 0))
