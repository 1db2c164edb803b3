-- Cancelling and failing run <close> variables, which may still work. (The syntax is Lua 5.4's.)
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("cancelling closes variables, from the inside out", function()
  local order = goroutine.channel(10)
  local handle = async(compiled([[
    local goroutine, order = ...
    local function closing(name)
      return setmetatable({}, { __close = function(_, err)
        order:try_send(name .. ", cancelled: " .. tostring(goroutine.is_cancelled(err)))
      end })
    end
    local outer <close> = closing("outer")
    do
      local inner <close> = closing("inner")
      goroutine.sleep(1e9)
    end
  ]]), goroutine, order)
  parked(handle)
  handle:cancel()
  local ok, err = await(handle, 30000)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  equal(order:receive(0), "inner, cancelled: true")
  equal(order:receive(0), "outer, cancelled: true")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("they have been closed when the status says cancelled", function()
  local closed = goroutine.atomic_int()
  local handle = async(compiled([[
    local goroutine, closed = ...
    local guard <close> = setmetatable({}, { __close = function() closed:add() end })
    goroutine.sleep(1e9)
  ]]), goroutine, closed)
  parked(handle)
  handle:cancel()
  eventually("it is cancelled", function() return handle:status() == "cancelled" end)
  equal(closed:load(), 1)
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("an error closes variables, and is what await gives", function()
  local closed = goroutine.channel(1)
  local ok, err = await(async(compiled([[
    local closed = ...
    local guard <close> = setmetatable({}, { __close = function(_, err) closed:send(err) end })
    error("broken", 0)
  ]]), closed))
  gives(values(false, "broken"), ok, err)
  equal(closed:receive(0), "broken")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("returning closes variables", function()
  local closed = goroutine.atomic_int()
  gives(values(true, "value"), await(async(compiled([[
    local closed = ...
    local guard <close> = setmetatable({}, { __close = function() closed:add() end })
    return "value"
  ]]), closed)))
  equal(closed:load(), 1)
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("a close function may wait, where the goroutine returned or failed", function()
  for _, how in ipairs({ "return 'value'", "error('broken', 0)" }) do
    local closed = goroutine.channel()
    local handle = async(compiled([[
      local goroutine, closed = ...
      local guard <close> = setmetatable({}, { __close = function()
        goroutine.sleep(1)
        closed:send("closed")
      end })
      ]] .. how), goroutine, closed)
    equal(closed:receive(30000), "closed")
    await(handle)
    equal(handle:status(), how:find("return") and "done" or "failed")
  end
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("in a nested coroutine they are closed too", function()
  local closed = goroutine.channel(10)
  local handle = async(compiled([[
    local goroutine, closed = ...
    local function closing(name)
      return setmetatable({}, { __close = function() closed:try_send(name) end })
    end
    local outer <close> = closing("outer")
    coroutine.wrap(function()
      local inner <close> = closing("inner")
      goroutine.sleep(1e9)
    end)()
  ]]), goroutine, closed)
  parked(handle)
  handle:cancel()
  await(handle, 30000)
  equal(closed:receive(0), "inner")
  equal(closed:receive(0), "outer")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("timeout closes variables", function()
  local closed = goroutine.channel(1)
  gives(values(false, "timeout exceeded"), goroutine.timeout(20, compiled([[
    local goroutine, closed = ...
    local guard <close> = setmetatable({}, { __close = function() closed:try_send("closed") end })
    goroutine.sleep(1e9)
  ]]), goroutine, closed))
  equal(closed:receive(30000), "closed")
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("an error in a close function is what await gives", function()
  local ok, err = await(async(compiled([[
    local guard <close> = setmetatable({}, { __close = function() error("while closing", 0) end })
    error("before", 0)
  ]])))
  gives(values(false, "while closing"), ok, err)
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("what closes a variable and goes on waiting in pcall is ended, and the others are closed", function()
  local closed = goroutine.atomic_int()
  local handle = async(compiled([[
    local goroutine, closed = ...
    local outer <close> = setmetatable({}, { __close = function() closed:add() end })
    local inner <close> = setmetatable({}, { __close = function()
      while true do pcall(goroutine.sleep, 10) end
    end })
    goroutine.sleep(1e9)
  ]]), goroutine, closed)
  parked(handle)
  handle:cancel()
  local ok, err = await(handle, 30000)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  equal(closed:load(), 1)
end)

finish()
