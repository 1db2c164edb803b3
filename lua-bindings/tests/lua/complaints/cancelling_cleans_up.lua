-- "There is a `cancel`, but it only sets a flag that nobody looks at; or it kills the thread, and files stay open and locks
-- stay locked."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("a goroutine that waits is stopped there, and cleans up first", function()
  local path = os.tmpname()
  local handle = async(function()
    local file = assert(io.open(path, "w"))
    local ok, err = pcall(function()
      file:write("begun, ")
      goroutine.sleep(1e9)
      file:write("not reached")
    end)
    file:write("closed")
    file:close()
    error(ok or err, 0)
  end)
  parked(handle)
  handle:cancel("no longer needed")
  local ok, err = await(handle, 30000)
  gives(values(false, true, "cancelled: no longer needed"), ok, goroutine.is_cancelled(err), tostring(err))
  local file = assert(io.open(path))
  equal(file:read(100), "begun, closed")
  file:close()
  os.remove(path)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("it is called cancelled only when the cleaning up is done", function()
  local cleaned = goroutine.atomic_int()
  for _ = 1, 20 do
    local before = cleaned:load()
    local handle = async(function()
      local _, err = pcall(goroutine.sleep, 1e9)
      for i = 1, 20000 do if i == 20000 then cleaned:add() end end
      error(err, 0)
    end)
    parked(handle)
    handle:cancel()
    eventually("it has ended", function() return handle:done() end)
    gives(values("cancelled", before + 1), handle:status(), cleaned:load())
  end
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
everywhere("variables to be closed are closed, inside first, also in nested coroutines", function()
  local order = goroutine.channel(10)
  local handle = async(compiled([[
    local goroutine, order = ...
    local function closing(name)
      return setmetatable({}, { __close = function() order:try_send(name) end })
    end
    local outer <close> = closing("outer")
    coroutine.wrap(function()
      local inner <close> = closing("inner")
      goroutine.sleep(1e9)
    end)()
  ]]), goroutine, order)
  parked(handle)
  handle:cancel()
  await(handle, 30000)
  gives(values("inner", true), order:receive(0))
  gives(values("outer", true), order:receive(0))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("a loop around pcall does not keep it alive", function()
  local handle = async(function()
    local n = 0
    while n < 100000 do
      n = n + 1
      local ok, err = pcall(goroutine.sleep, 1e9)
      if n == 1000 then error(err, 0) end
      assert(not ok)
    end
  end)
  parked(handle)
  handle:cancel()
  local ok, err = await(handle, 30000)
  gives(values(false, true), ok, goroutine.is_cancelled(err))
end)

everywhere("what one in a queue would have done is not done", function()
  local name = fresh_name()
  goroutine.pool_create(name, { workers = 1, queue = 5 })
  local gate = occupy_pool(name, 1)
  local ran = goroutine.atomic_int()
  local handles = {}
  for i = 1, 5 do handles[i] = goroutine.pool_async(name, function() ran:add() end) end
  for i = 1, 4 do handles[i]:cancel() end
  gate:close()
  equal(goroutine.pool_wait(name, 30000), true)
  equal(ran:load(), 1)
  for i = 1, 4 do equal(handles[i]:status(), "cancelled") end
  goroutine.pool_close(name)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("the first error in a scope stops the others, which clean up before the scope is left", function()
  local cleaned = goroutine.atomic_int()
  raises("no such host", goroutine.scope, function(s)
    for _ = 1, 10 do
      parked(s:spawn(function()
        local ok, err = pcall(goroutine.sleep, 1e9)
        cleaned:add()
        error(ok or err, 0)
      end))
    end
    s:spawn(function() error("no such host", 0) end)
  end)
  equal(cleaned:load(), 10)
end)

finish()
