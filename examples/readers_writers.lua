-- A table of prices that many read and few change, all at once. Readers must never see half of a change: each change moves an
-- amount from one price to another, so the sum stays the same, and every reader checks it.
--
--     sloth-runner run examples/readers_writers.lua [READERS [WRITERS]]
local goroutine = require("goroutine")

local function number(index, default, name)
  local given = arg and arg[index]
  local value = given and tonumber(given) or default
  if given and (not tonumber(given) or value < 1 or value % 1 ~= 0) then
    io.stderr:write(("readers_writers: %s must be a whole number of at least 1, got '%s'\n"):format(name, given))
    os.exit(1)
  end
  return value
end

local readers, writers = number(1, 8, "READERS"), number(2, 2, "WRITERS")
local ROUNDS, PRICES = 50, 10

-- A shared table changes one key at a time; what has to change together is guarded by the lock.
local prices, lock = goroutine.shared(), goroutine.rwmutex()
for i = 1, PRICES do
  prices[i] = 100
end

local function read()
  local sums = 0
  for _ = 1, ROUNDS do
    local _, sum = lock:rwith(function()
      local sum = 0
      for i = 1, PRICES do
        sum = sum + prices[i]
      end
      return sum
    end)
    if sum ~= PRICES * 100 then
      error("a reader saw half of a change: the sum is " .. sum, 0)
    end
    sums = sums + 1
  end
  return sums
end

local function write(id)
  for round = 1, ROUNDS do
    local from, to = (id + round) % PRICES + 1, (id + 3 * round + 1) % PRICES + 1
    lock:with(function()
      prices[from] = prices[from] - id
      goroutine.yield() -- here a reader would see half of it, if it could come in
      prices[to] = prices[to] + id
    end)
  end
end

local started = goroutine.now()
local reading, writing = goroutine.spawn_many(readers, read), goroutine.spawn_many(writers, write)
local checked = 0
for _, handle in ipairs(reading) do
  local ok, sums = handle:await()
  if not ok then
    error(sums, 0)
  end
  checked = checked + sums
end
for _, handle in ipairs(writing) do
  local ok, err = handle:await()
  if not ok then
    error(err, 0)
  end
end

print(("%d readers, %d writers, %d changes"):format(readers, writers, writers * ROUNDS))
print(("%d sums read, each of them %d"):format(checked, PRICES * 100))
local sum = 0
for _, price in ipairs(prices:snapshot()) do
  sum = sum + price
end
print("the sum at the end: " .. sum)
print(("time: %.1f ms"):format(goroutine.now() - started))
