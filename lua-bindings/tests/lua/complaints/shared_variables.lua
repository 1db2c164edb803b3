-- "I sent a getter and a setter of the same variable. On the other side each had a variable of its own, and what I set I could
-- not get."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["two closures that share a variable share its copy, captured or as arguments"] = "captured variables are shared",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

local function account(balance)
  local function deposit(n) balance = balance + n end
  local function read() return balance end
  return deposit, read
end

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("two closures that share a variable share its copy, captured or as arguments", function()
  local deposit, read = account(10)
  gives(values(true, 15), await(async(function()
    deposit(5)
    return read()
  end)))
  gives(values(true, 17), await(async(function(add, get)
    add(7)
    return get()
  end, deposit, read)))
  equal(read(), 10)
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("also if one is captured, and the other deep in an argument", function()
  local deposit, read = account(1)
  gives(values(true, 3), await(async(function(it)
    it.methods.deposit(2)
    return read()
  end, { methods = { deposit = deposit } })))
end)

unless_lua("5.1", "closures that share a variable get a copy each")
everywhere("in results and through channels", function()
  local ok, deposit, read = await(async(account, 100))
  equal(ok, true)
  deposit(1)
  equal(read(), 101)
  local channel = goroutine.channel(1)
  channel:send({ deposit, read })
  local pair = channel:receive()
  pair[1](10)
  gives(values(111, 101), pair[2](), read())
end)

everywhere("closures of two calls do not share", function()
  local deposit = account(0)
  local _, read = account(50)
  gives(values(true, 50), await(async(function()
    deposit(1000)
    return read()
  end)))
end)

everywhere("a function and the one inside it that it makes later", function()
  local n = 0
  local function maker()
    n = n + 1
    return function()
      n = n + 10
      return n
    end
  end
  gives(values(true, 11, 22), await(async(function()
    local first = maker()
    local a = first()
    maker()
    return a, first()
  end)))
end)

finish()
