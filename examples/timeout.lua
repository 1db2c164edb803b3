-- timeout: three ways in which a function with a time limit can end.
--
--   sloth-runner run examples/timeout.lua [-- LIMIT_IN_MILLISECONDS]

local goroutine = require("goroutine")

local limit = tonumber(arg[1] or 500)
if not limit or limit <= 0 or limit > 10000 then
  io.stderr:write(("timeout: a limit from 0 to 10000 milliseconds expected, not '%s'\n"):format(arg[1]))
  os.exit(1)
end

-- Stands for a question to some server, which takes a while.
local function ask(question, takes)
  goroutine.sleep(takes)
  if question == "" then
    error("nothing was asked", 0)
  end
  return question .. " is " .. #question .. " letters long", #question
end

-- In time: true, and all that the function returned. Arguments for it come after it.
local ok, answer, length = goroutine.timeout(limit, ask, "goroutine", 0)
print("success:", ok, answer, length)

-- Not in time: false and a message that is always the same. The function has been stopped.
local started = goroutine.now()
local in_time, why = goroutine.timeout(limit, ask, "sloth", 60000)
local waited = goroutine.now() - started
print("exceeded:", in_time, why)
print("waited for the limit, not for the answer:", waited >= limit and waited < 30000)

-- An error before the limit: false and the error, as with pcall.
local fine, err = goroutine.timeout(limit, ask, "", 0)
print("error:", fine, err)

-- What the function had opened is closed when it is stopped: `<close>` variables are, here and in every goroutine.
-- (Its own copy of `closed` would be no use to us; an atomic_int is the same object on both sides.)
local closed = goroutine.atomic_int(0)
goroutine.timeout(limit, function()
  local connection <close> = setmetatable({}, {
    __close = function()
      closed:add(1)
    end,
  })
  goroutine.sleep(60000)
end)
-- Mostly that has happened when `timeout` returns, but it returns on time even if it takes longer. `wait_all` waits until
-- no goroutine is left.
goroutine.wait_all()
print("connections closed:", closed:load())
