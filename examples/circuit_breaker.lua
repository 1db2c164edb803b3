-- Asking a service that fails for a while (simulated): each request is tried again a few times, and a circuit breaker keeps
-- the requests away once the service has failed too often, until it may have recovered.
--
--     sloth-runner run examples/circuit_breaker.lua
local goroutine = require("goroutine")

-- The service fails from its 4th to its 9th call. All goroutines ask the same one, so what it counts is shared.
local calls = goroutine.atomic_int()

local function service(request)
  local call = calls:add()
  if call >= 4 and call <= 9 then
    error("service unavailable", 0)
  end
  return "answer to request " .. request
end

local breaker = goroutine.circuit_breaker({ threshold = 3, timeout = 250 })

-- One request: through the breaker, which says at once that the service is down instead of asking it again.
local function ask(request)
  local ok, answer = breaker:call(function()
    return service(request)
  end)
  if not ok then
    error(answer, 0)
  end
  return answer
end

local answered, refused = 0, 0
for request = 1, 12 do
  local handle = goroutine.async(function()
    -- A passing failure is got over by asking again soon; one that lasts opens the breaker.
    return goroutine.retry({ max_attempts = 50, initial_delay = 1, max_delay = 2 }, function()
      local ok, answer = pcall(ask, request)
      if not ok then
        if answer == "circuit open" then
          return nil -- not asked at all: the caller decides
        end
        error(answer, 0)
      end
      return answer
    end)
  end)
  local ok, answer = handle:await()
  assert(ok, answer)
  if answer then
    answered = answered + 1
  else
    refused = refused + 1
    -- The breaker lets one through once its time is over.
    goroutine.sleep(260)
  end
  print(("request %2d: %s (%s)"):format(request, answer or "circuit open", breaker:state()))
end
print(("%d answered, %d kept away, %d calls of the service"):format(answered, refused, calls:load()))
