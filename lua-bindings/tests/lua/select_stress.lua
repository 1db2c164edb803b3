-- Many selects at once.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local channel, async = goroutine.channel, goroutine.async

-- STRESS_MESSAGES=1000000 in the environment makes them as many.
local MESSAGES = tonumber(os.getenv("STRESS_MESSAGES")) or 8000

test("8 producers and 4 consumers select over 3 channels: nothing is lost, nothing doubled", function()
  local PRODUCERS, CONSUMERS = 8, 4
  local EACH = math.floor(MESSAGES / PRODUCERS)
  local channels = { channel(), channel(1), channel(64) }
  local producers, consumers = {}, {}
  for p = 1, PRODUCERS do
    producers[p] = async(function(channels, from, each)
      for n = from, from + each - 1 do
        local cases = {}
        for i, ch in ipairs(channels) do cases[i] = { channel = ch, send = n } end
        goroutine.select(cases)
      end
    end, channels, (p - 1) * EACH + 1, EACH)
  end
  for c = 1, CONSUMERS do
    consumers[c] = async(function(channels)
      local got, open = {}, {}
      for i, ch in ipairs(channels) do open[i] = { channel = ch, receive = true, handler = function(v, ok) return v, ok end } end
      while #open > 0 do
        local index, value, ok = goroutine.select(open)
        if ok then got[#got + 1] = value else table.remove(open, index) end
      end
      return got
    end, channels)
  end
  for _, result in ipairs(goroutine.await_all(producers)) do equal(result.error, nil) end
  for _, ch in ipairs(channels) do ch:close() end
  local seen, count = {}, 0
  for _, result in ipairs(goroutine.await_all(consumers)) do
    for _, n in ipairs(result.values[1]) do
      assert(not seen[n], "twice: " .. n)
      seen[n], count = true, count + 1
    end
  end
  equal(count, PRODUCERS * EACH)
end)

test("a loop of selects over 3 channels takes everything once, in each sender's order, and neglects none", function()
  local channels, last = { channel(), channel(3), channel(100) }, { 0, 0, 0 }
  local each = math.floor(MESSAGES / 3)
  for _, ch in ipairs(channels) do
    async(function(ch, each)
      for n = 1, each do ch:send(n) end
      ch:close()
    end, ch, each)
  end
  local open, cases = 3, {}
  for i, ch in ipairs(channels) do
    cases[i] = { channel = ch, receive = true, handler = function(n, ok)
      if ok then
        equal(n, last[i] + 1)
        last[i] = n
      else
        open, cases[i].channel = open - 1, channel() -- as a nil channel in Go: never ready
      end
    end }
  end
  while open > 0 do goroutine.select(cases) end
  same(last, { each, each, each })
end)

test("selects that are cancelled, or time out, leave nobody behind and lose nothing", function()
  local channels = { channel(), channel(), channel(2) }
  local sent, received = goroutine.atomic_int(), goroutine.atomic_int()
  local function churn(channels, seed, rounds, sent, received)
    local state = seed
    local function roll(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return math.floor(state / 65536) % n
    end
    for _ = 1, rounds do
      local cases = {}
      for i, ch in ipairs(channels) do
        if roll(2) == 0 then
          cases[i] = { channel = ch, receive = true, handler = function(_, ok) if ok then received:add() end end }
        else
          cases[i] = { channel = ch, send = i, handler = function() sent:add() end }
        end
      end
      if roll(2) == 0 then
        goroutine.select_timeout(roll(3) / 10, cases)
      else
        cases[#cases + 1] = { default = true }
        goroutine.select(cases)
      end
    end
  end
  for round = 1, 10 do
    local handles = {}
    for i = 1, 20 do handles[i] = async(churn, channels, round * 100 + i, 50, sent, received) end
    -- Some that wait for ever are cancelled.
    local stuck = {}
    for i = 1, 20 do
      stuck[i] = async(function(channels, received)
        local never = channel()
        goroutine.select({
          { channel = never, receive = true }, { channel = channels[1], receive = true, handler = function() received:add() end },
        })
      end, channels, received)
    end
    for i = 1, 20 do stuck[i]:cancel() end
    for _, result in ipairs(goroutine.await_all(handles)) do equal(result.error, nil) end
    goroutine.await_all(stuck)
  end
  local left = 0
  for _, ch in ipairs(channels) do
    repeat
      local _, ok = ch:try_receive()
      if ok then left = left + 1 end
    until not ok
  end
  equal(received:load() + left, sent:load())
  gives(values(false), channels[1]:try_send("nobody waits"))
end)

finish()
