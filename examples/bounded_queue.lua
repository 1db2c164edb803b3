-- A bounded queue: producers that are faster than the consumers are held up by the room that there is, and nothing
-- is lost. A channel is all that it takes.
--
--   sloth-runner run examples/bounded_queue.lua [-- ROOM]

local goroutine = require("goroutine")

local PRODUCERS, CONSUMERS, EACH = 4, 2, 50

local room = tonumber(arg[1] or 5)
if not room or room % 1 ~= 0 or room < 0 or room > 1000 then
  io.stderr:write(("bounded_queue: a whole number from 0 to 1000 expected, not '%s'\n"):format(arg[1]))
  os.exit(1)
end

local queue = goroutine.channel(room)
-- How many have been sent and not taken yet, as those see it who send.
local under_way, most = goroutine.atomic_int(), goroutine.atomic_int()

local producers = goroutine.spawn_many(PRODUCERS, function(id)
  for i = 1, EACH do
    queue:send((id - 1) * EACH + i) -- waits while there is no room
    local now = under_way:add()
    local seen = most:load()
    while now > seen and not most:compare_and_swap(seen, now) do
      seen = most:load()
    end
  end
end)

local consumers = {}
for i = 1, CONSUMERS do
  consumers[i] = goroutine.async(function()
    local count, sum = 0, 0
    for number in queue:iter() do
      under_way:add(-1)
      if count % 10 == 0 then
        goroutine.sleep(1) -- slower than the producers
      end
      count, sum = count + 1, sum + number
    end
    return count, sum
  end)
end

-- The queue is closed when all producers are through, be it by an error: the consumers take what is left and end.
goroutine.await_all(producers)
queue:close()

local count, sum = 0, 0
for _, result in ipairs(goroutine.await_all(consumers)) do
  count, sum = count + result.values[1], sum + result.values[2]
end
local all = PRODUCERS * EACH
assert(count == all and sum == all * (all + 1) / 2, "a number was lost, or came twice")
print(("%d numbers went in, %d came out"):format(PRODUCERS * EACH, count))
print(("their sum is %d"):format(sum))
-- One more for each that has been sent or taken, and is just being counted.
local bound = room + PRODUCERS + CONSUMERS
print(("at no time were there more than the room allows: %s"):format(most:load() <= bound))
