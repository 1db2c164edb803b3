-- "My function calls another function of the same file, which reads a global table. On the other side all of them are nil, and
-- I have to hand over each by hand."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["a global that cannot travel is an error where it is touched, and only there"] = "every global is there",
  ["what goroutines assign stays with them"] = "goroutines have the globals of the script",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

prices = { apple = 3, pear = 5 }
discount = 1
local function price(name) return prices[name] - discount end

function total(list)
  local sum = 0
  for _, name in ipairs(list) do sum = sum + price(name) end
  return report(sum)
end

function report(sum)
  calls = (calls or 0) + 1
  return ("%d (%s)"):format(sum, shop.name())
end

shop = {}
function shop.name() return shop_title or "nameless" end
shop_title = "shop"

-- What nobody reads cannot be in the way.
unused_file = io.tmpfile()
unused_thread = coroutine.create(function() end)

everywhere("globals and functions come along, however far they are reached", function()
  gives(values(true, "6 (shop)"), await(async(function() return total({ "apple", "pear" }) end)))
  gives(values(true, "2 (shop)"), await(async(total, { "apple" })))
  gives(values(true, 2), await(async(function(name) return (_G.prices[name]) - _G["discount"] end, "apple")))
end)

everywhere("functions that call each other", function()
  function is_even(n) return n == 0 or is_odd(n - 1) end
  function is_odd(n) return n ~= 0 and is_even(n - 1) end
  gives(values(true, true, false), await(async(function() return is_even(100), is_odd(100) end)))
end)

everywhere("a method finds the globals that it reads", function()
  local object = { name = "pear" }
  function object:price() return price(self.name) * 10 end
  gives(values(true, 40), await(async(function() return object:price() end)))
end)

everywhere("a global that cannot travel is an error where it is touched, and only there", function()
  gives(values(true, "untouched"), await(async(function(touch) return touch and unused_file or "untouched" end, false)))
  local ok, err = await(async(function() return unused_file:read() end))
  equal(ok, false)
  contains(err, "unused_file")
end)

everywhere("what goroutines assign stays with them", function()
  for _ = 1, 20 do
    gives(values(true, 1, 99), await(async(function()
      total({ "apple" })
      prices.apple = 99
      return calls, prices.apple
    end)))
  end
  gives(values(nil, 3), calls, prices.apple)
end)

finish()
