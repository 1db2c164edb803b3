-- A crawler that visits every page of a site, some pages at once, but asks no more often than it may. Plain Lua has no
-- HTTP, so the server is a goroutine: it gets requests through a channel, and answers each through the channel in it.
--
--   sloth-runner run examples/crawler.lua

local goroutine = require("goroutine")

local PAGES, WORKERS = 40, 6
local RATE, BURST = 200, 4 -- requests in a second, and how many of them at once after a pause

-- What the site has: on each page some links, on some of them one that leads nowhere.
local function links_on(page)
  local links = { "/" .. 2 * page % PAGES, "/" .. (2 * page + 1) % PAGES, "/" .. 7 * page % PAGES }
  if page % 10 == 3 then
    links[#links + 1] = "/old/" .. page
  end
  return links
end

local requests = goroutine.channel()

-- Serves until the channel is closed. Gives how many requests there were, and when the last of them came.
local server = goroutine.async(function()
  local count, last, asked = 0, 0, {}
  for request in requests:iter() do
    count, last = count + 1, goroutine.now()
    asked[request.path] = (asked[request.path] or 0) + 1
    local page = tonumber(request.path:match("^/(%d+)$"))
    local answer
    if not page then
      answer = { status = 404 }
    elseif page % 9 == 5 and asked[request.path] == 1 then
      answer = { status = 503 } -- busy, but only for once
    else
      answer = { status = 200, links = links_on(page) }
    end
    request.answer:send(answer)
  end
  return count, last
end)

-- One limiter for all workers: objects of the module are shared, not copied.
local began = goroutine.now()
local limiter = goroutine.rate_limiter({ rate = RATE, per = 1000, burst = BURST })

local function get(path)
  limiter:wait()
  local answer = goroutine.channel(1)
  requests:send({ path = path, answer = answer })
  local response = answer:receive()
  if response.status >= 500 then
    error("status " .. response.status, 0) -- worth another try
  end
  return response
end

local todo, results = goroutine.channel(), goroutine.channel()
local workers = goroutine.spawn_many(WORKERS, function()
  for path in todo:iter() do
    local tries = 0
    local response, err = goroutine.retry({ max_attempts = 3, initial_delay = 1 }, function(attempt)
      tries = attempt
      return get(path)
    end)
    results:send({ path = path, tries = tries, response = response, error = err })
  end
end)

-- What has been seen is known here alone, so that no page is asked for twice. Paths to be visited are given away and results
-- taken in whatever order they come: waiting for one of the two only could make all wait for each other.
local seen, waiting, under_way = { ["/0"] = true, ["/1"] = true }, { "/0", "/1" }, 0
local visited, broken, again = 0, {}, 0
while #waiting > 0 or under_way > 0 do
  local cases = { { channel = results, receive = true, handler = function(result) return result end } }
  if #waiting > 0 then
    cases[2] = { channel = todo, send = waiting[#waiting] }
  end
  local index, result = goroutine.select(cases)
  if index == 2 then
    table.remove(waiting)
    under_way = under_way + 1
  else
    under_way = under_way - 1
    again = again + result.tries - 1
    assert(result.response, result.error)
    if result.response.status == 404 then
      broken[#broken + 1] = result.path
    else
      visited = visited + 1
      for _, link in ipairs(result.response.links) do
        if not seen[link] then
          seen[link] = true
          waiting[#waiting + 1] = link
        end
      end
    end
  end
end
todo:close()
for _, result in ipairs(goroutine.await_all(workers)) do
  assert(result.success, result.error)
end
requests:close()
local ok, count, last = server:await()
assert(ok, count)

-- What a plain loop over the site finds.
local pages, nowhere, reached, at = 0, 0, { "/0", "/1" }, 1
local known = { ["/0"] = true, ["/1"] = true }
while reached[at] do
  local page = tonumber(reached[at]:match("^/(%d+)$"))
  if page then
    pages = pages + 1
  else
    nowhere = nowhere + 1
  end
  for _, link in ipairs(page and links_on(page) or {}) do
    if not known[link] then
      known[link] = true
      reached[#reached + 1] = link
    end
  end
  at = at + 1
end
assert(visited == pages and #broken == nowhere, "the crawler has missed something")
assert(count == visited + #broken + again, "each request is a page, a link that leads nowhere, or another try")

-- All but the burst have to keep their distance.
local least = (count - BURST) * 1000 / RATE
assert(last - began >= least, ("%d requests in %.1f ms are too many"):format(count, last - began))

table.sort(broken)
print(("%d pages visited, %d requests, %d of them another try"):format(visited, count, again))
print("links that lead nowhere: " .. table.concat(broken, " "))
print(("at %d a second they need %g ms, and had them: %s"):format(RATE, least, last - began >= least))
print(("time: %.1f ms"):format(last - began))
