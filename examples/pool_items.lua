-- A pool over items: factors numbers, at most four at a time, and shows what the pool counted.
--
--   sloth-runner run examples/pool_items.lua [-- NUMBER ...]

local goroutine = require("goroutine")

local function fail(message)
  io.stderr:write("pool_items: ", message, "\n")
  os.exit(1)
end

local items = { 97, 360, 1001, 65536, 99991, 123456, 1000003, 9999991, 12345678, 600851475143 }
if #arg > 0 then
  items = {}
  for i, text in ipairs(arg) do
    local number = tonumber(text)
    -- Up to 2^53 every whole number is exact, in integers and in floating point.
    if not number or number % 1 ~= 0 or number < 2 or number > 2 ^ 53 then
      fail(("a whole number from 2 to 2^53 expected, not '%s'"):format(text))
    end
    items[i] = number
  end
end

local function factors(number)
  local list, divisor = {}, 2
  while divisor * divisor <= number do
    if number % divisor == 0 then
      list[#list + 1] = ("%.0f"):format(divisor)
      number = number / divisor
    else
      divisor = divisor + 1
    end
  end
  list[#list + 1] = ("%.0f"):format(number)
  return list
end

-- Tasks that are submitted give their results through a channel. It has room for all of them: nobody reads from it
-- before the pool is done, and a task that waits for room would never end.
local results = goroutine.channel(#items)

goroutine.pool_create("factors", { workers = 4 })
for index, item in ipairs(items) do
  -- Waits while four tasks run and eight more are queued.
  local id, err = goroutine.pool_submit("factors", function()
    results:send({ index = index, factors = factors(item) })
  end)
  if not id then
    fail(err)
  end
end

-- Until everything that was submitted has run. The pool could be used again after it.
goroutine.pool_wait("factors")
local stats = goroutine.pool_stats("factors")
goroutine.pool_close("factors")

-- In the channel they lie in the order in which they got ready.
local ordered = {}
for _ = 1, #items do
  local result = results:receive()
  ordered[result.index] = result.factors
end
for index, item in ipairs(items) do
  print(("%.0f = %s"):format(item, table.concat(ordered[index], " x ")))
end

print(("workers: %d, submitted: %d, completed: %d, failed: %d"):format(
  stats.workers, stats.submitted, stats.completed, stats.failed
))
print(("time: half of the tasks took no longer than %.3f ms, the longest %.3f ms"):format(
  stats.run_ms.p50, stats.run_ms.max
))
