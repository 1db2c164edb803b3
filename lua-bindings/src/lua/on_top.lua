-- What stands on top of the rest: retry, rate limiters, circuit breakers, broadcasters. Called with what module.lua is
-- called with, and the module's table.
local prim, _, face, attempt, M = ...

local fail = prim.fail
local error, pcall, ipairs, select = error, pcall, ipairs, select
local unpack = table.unpack or unpack -- Lua 5.1 and LuaJIT have it as a global

for _, name in ipairs({ "rate_limiter", "circuit_breaker", "broadcaster" }) do
  M[name] = face(prim[name])
end

local function add(class, names)
  local index = prim.methods[class]
  for _, name in ipairs(names) do
    index[name] = face(prim[class .. "_" .. name])
  end
  return index
end

add("rate_limiter", { "wait", "try" })
add("broadcaster", { "subscribe", "broadcast", "close" })
local breaker = add("circuit_breaker", { "state" })

local retry_options, retry_delay, retry_over = prim.retry, prim.retry_delay, prim.retry_over
local sleep, is_cancelled = face(prim.sleep), M.is_cancelled

local function pack(...)
  return { n = select("#", ...), ... }
end

function M.retry(...)
  local how, attempts, initial, max, multiplier, jitter = attempt(retry_options(...))
  if how ~= 0 then
    fail(how, attempts)
  end
  local _, fn = ...
  for number = 1, attempts do
    local result = pack(pcall(fn, number))
    if result[1] then
      return unpack(result, 2, result.n)
    elseif retry_over() then
      if not is_cancelled(result[2]) then
        sleep(0) -- raises that the goroutine was cancelled, whatever the function has made of it
      end
      error(result[2], 0)
    elseif number == attempts then
      return nil, result[2]
    end
    sleep(retry_delay(number, initial, max, multiplier, jitter))
  end
end

local breaker_call, breaker_end = prim.circuit_breaker_call, prim.circuit_breaker_end

local function ended(self, call, ok, ...)
  local _, given_up = breaker_end(self, call, ok)
  if given_up then
    error((...), 0)
  elseif ok then
    return true, ...
  end
  return false, (...)
end

function breaker.call(...)
  local how, call = attempt(breaker_call(...))
  if how ~= 0 then
    fail(how, call)
  elseif not call then
    return false, "circuit open"
  end
  local self, fn = ...
  return ended(self, call, pcall(fn))
end
