-- The handlers of the server: `handle(method, path, body)` returns a status and a text. They run in the home state, one at a
-- time, and wait without holding each other up; what takes long is done by goroutines.
local goroutine = require("goroutine")

local served = goroutine.atomic_int() -- goroutines see the same one
local waiting = {} -- channels by name: this table is the home state's, and so every handler's

local function fib(n)
  if n < 2 then
    return n
  end
  return fib(n - 1) + fib(n - 2)
end

local function count_words(line)
  return select(2, line:gsub("%S+", ""))
end

local routes = {}

-- One goroutine computes, for a second at most.
function routes.fib(n)
  n = tonumber(n)
  if not n or n < 0 or n > 40 then
    return 400, "/fib/N, with N from 0 to 40\n"
  end
  local done, result = goroutine.timeout(1000, fib, n)
  if not done then
    return 503, result .. "\n"
  end
  return 200, result .. "\n"
end

-- A goroutine for each line of the body, in all isolates; the first error cancels the others.
function routes.words(_, body)
  local handles, sum = {}, 0
  for line in body:gmatch("[^\n]+") do
    handles[#handles + 1] = goroutine.async(count_words, line)
  end
  for _, result in ipairs(goroutine.await_all(handles)) do
    sum = sum + result.values[1]
  end
  return 200, sum .. "\n"
end

-- Waits for somebody to POST to the same name.
function routes.receive(name)
  waiting[name] = waiting[name] or goroutine.channel(8)
  local message, received = waiting[name]:receive(30000)
  if not received then
    return 504, "nothing has come\n"
  end
  return 200, message
end

function routes.send(name, body)
  waiting[name] = waiting[name] or goroutine.channel(8)
  if not waiting[name]:try_send(body) then
    return 503, "too much is waiting there\n"
  end
  return 202, "sent\n"
end

function routes.served()
  return 200, served:load() .. "\n"
end

function routes.fail()
  error("on purpose")
end

return function(_, path, body)
  served:add(1)
  local name, rest = path:match("^/(%l+)/?(.*)$")
  local route = routes[name]
  if not route then
    return 404, "there are /fib/N, /words, /receive/NAME, /send/NAME and /served\n"
  end
  return route(rest, body)
end
