-- Atomic integers.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("it starts at zero, or at what it is given", function()
  equal(goroutine.atomic_int():load(), 0)
  equal(goroutine.atomic_int(nil):load(), 0)
  equal(goroutine.atomic_int(-7):load(), -7)
  equal(goroutine.atomic_int(3.0):load(), 3)
end)

everywhere("add gives the new value, and adds one unless told", function()
  local n = goroutine.atomic_int(10)
  gives(values(11), n:add())
  gives(values(16), n:add(5))
  gives(values(-4), n:add(-20))
  gives(values(-4), n:add(0))
  gives(values(-4), n:load())
end)

everywhere("store gives nothing, swap the old value", function()
  local n = goroutine.atomic_int(1)
  gives(values(), n:store(5))
  gives(values(5), n:swap(9))
  gives(values(9), n:load())
end)

everywhere("compare_and_swap swaps only what is as expected", function()
  local n = goroutine.atomic_int(1)
  gives(values(false), n:compare_and_swap(2, 3))
  equal(n:load(), 1)
  gives(values(true), n:compare_and_swap(1, 3))
  equal(n:load(), 3)
end)

unless_lua("5.1 5.2 jit", "no integers: numbers are exact up to 2^53")
everywhere("it has 64 bits, and wraps", function()
  local n = goroutine.atomic_int(math.maxinteger)
  equal(n:add(1), math.mininteger)
  equal(n:add(-1), math.maxinteger)
  n:store(math.mininteger)
  equal(n:add(math.mininteger), 0)
  equal(n:swap(math.maxinteger), 0)
  equal(n:load(), math.maxinteger)
  equal(n:compare_and_swap(math.maxinteger, math.mininteger), true)
  equal(n:load(), math.mininteger)
end)

test("no addition of many goroutines is lost, and no result given twice", function()
  local n = goroutine.atomic_int()
  local handles = goroutine.spawn_many(8, function()
    local seen = {}
    for i = 1, 2000 do seen[i] = n:add() end
    return seen
  end)
  local seen = {}
  for _, handle in ipairs(handles) do
    local _, list = handle:await()
    for _, value in ipairs(list) do
      equal(seen[value], nil, "value " .. value)
      seen[value] = true
    end
  end
  equal(#seen, 16000)
  equal(n:load(), 16000)
end)

test("a loop of compare_and_swap is an update", function()
  local n = goroutine.atomic_int(1)
  goroutine.await_all(goroutine.spawn_many(8, function()
    for _ = 1, 200 do
      repeat
        local old = n:load()
      until n:compare_and_swap(old, (old * 3 + 1) % 1000003)
    end
  end))
  local wanted = 1
  for _ = 1, 1600 do wanted = (wanted * 3 + 1) % 1000003 end
  equal(n:load(), wanted)
end)

finish()
