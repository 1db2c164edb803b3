-- Channels between many goroutines: every value once, each sender's in order.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local channel = goroutine.channel

-- Each of `senders` sends `each` values; `receivers` take them. Checks that all came, once, in each sender's order.
local function many_to_many(senders, receivers, each, capacity, take)
  local ch = channel(capacity)
  local sending = goroutine.spawn_many(senders, function(id)
    for n = 1, each do
      assert(ch:send({ id, n }))
    end
  end)
  local receiving = goroutine.spawn_many(receivers, function()
    local last, count = {}, 0
    while true do
      local value, ok = take(ch)
      if ok then
        local id, n = value[1], value[2]
        if n <= (last[id] or 0) then
          error("sender " .. id .. ": " .. n .. " came after " .. last[id])
        end
        last[id] = n
        count = count + 1
      elseif ch:is_closed() then
        return count
      end
    end
  end)
  for _, handle in ipairs(sending) do
    gives(values(true), handle:await())
  end
  ch:close()
  local total = 0
  for _, handle in ipairs(receiving) do
    local ok, count = handle:await()
    assert(ok, count)
    total = total + count
  end
  equal(total, senders * each)
end

for _, capacity in ipairs({ 0, 1, 16 }) do
  test("8 senders, 8 receivers, capacity " .. capacity, function()
    many_to_many(8, 8, 250, capacity, function(ch) return ch:receive() end)
  end)
  test("receivers that give up and come again lose nothing, capacity " .. capacity, function()
    many_to_many(4, 4, 100, capacity, function(ch) return ch:receive(0.05) end)
  end)
end

test("senders that give up have not sent, those that succeed have", function()
  for _, capacity in ipairs({ 0, 2 }) do
    local ch, sent = channel(capacity), goroutine.atomic_int()
    local senders = goroutine.spawn_many(6, function()
      for n = 1, 100 do
        if ch:send(n, 0.05) then sent:add() end
      end
    end)
    local receiver = goroutine.async(function()
      local count = 0
      ch:range(function()
        count = count + 1
        goroutine.yield()
      end)
      return count
    end)
    for _, handle in ipairs(senders) do gives(values(true), handle:await()) end
    ch:close()
    gives(values(true, sent:load()), receiver:await())
  end
end)

test("a ring of 500 goroutines passes a value around", function()
  local first = channel()
  local from = first
  for _ = 1, 500 do
    local source, to = from, channel()
    goroutine.spawn(function() to:send(source:receive() + 1) end)
    from = to
  end
  first:send(0)
  gives(values(500, true), from:receive())
end)

test("the prime sieve of Go's tutorials", function()
  local numbers = channel()
  local generator = goroutine.async(function()
    local n = 2
    while numbers:send(n) do n = n + 1 end
  end)
  local source, primes = numbers, {}
  for i = 1, 25 do
    local prime, from, to = source:receive(), source, channel()
    primes[i] = prime
    goroutine.spawn(function()
      while true do
        local n, ok = from:receive()
        if not ok then break end
        if n % prime ~= 0 and not to:send(n) then break end
      end
      from:close()
      to:close()
    end)
    source = to
  end
  source:close()
  same(primes, { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97 })
  -- Closing the last channel ends each filter at its next send, and so on up to the generator.
  gives(values(true), generator:await(30000))
  gives(values(true), goroutine.wait_all(30000))
end)

test("closing in the midst of it: each sender knows how many it sent", function()
  for _, capacity in ipairs({ 0, 5 }) do
    local ch = channel(capacity)
    local senders = goroutine.spawn_many(6, function()
      local n = 0
      while ch:send(n) do n = n + 1 end
      return n
    end)
    local received = 0
    while received < 300 do
      local _, ok = ch:receive()
      assert(ok)
      received = received + 1
    end
    ch:close()
    while true do
      local _, ok = ch:receive()
      if not ok then break end
      received = received + 1
    end
    local sent = 0
    for _, handle in ipairs(senders) do
      local ok, n = handle:await()
      assert(ok, n)
      sent = sent + n
    end
    equal(received, sent)
  end
end)

finish()
