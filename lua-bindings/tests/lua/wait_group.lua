-- Wait groups.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("wait returns when the count is back at zero", function()
  local group, done = goroutine.wait_group(), goroutine.atomic_int()
  for _ = 1, 100 do
    group:add()
    goroutine.spawn(function()
      goroutine.yield()
      done:add()
      group:done()
    end)
  end
  gives(values(true), group:wait())
  equal(done:load(), 100)
end)

everywhere("an empty group does not wait", function()
  local group = goroutine.wait_group()
  gives(values(true), group:wait())
  gives(values(true), group:wait(0))
end)

everywhere("add and done give nothing, and add takes any number", function()
  local group = goroutine.wait_group()
  gives(values(), group:add(5))
  gives(values(), group:add())
  gives(values(), group:add(0))
  gives(values(), group:done())
  gives(values(), group:add(-5))
  gives(values(true), group:wait(0))
end)

everywhere("a limit ends the wait and leaves the group as it was", function()
  local group = goroutine.wait_group()
  group:add(2)
  local took, ok, why = timed(group.wait, group, 20)
  gives(values(false, "timeout exceeded"), ok, why)
  assert(took >= 20, took)
  gives(values(false, "timeout exceeded"), group:wait(0))
  group:done()
  group:done()
  gives(values(true), group:wait(0))
end)

everywhere("a count below zero raises and changes nothing", function()
  local group = goroutine.wait_group()
  raises("negative WaitGroup counter", group.done, group)
  raises("negative WaitGroup counter", group.add, group, -1)
  gives(values(true), group:wait(0))
  group:add(2)
  raises("negative WaitGroup counter", group.add, group, -3)
  gives(values(false, "timeout exceeded"), group:wait(0))
  group:add(-2)
  gives(values(true), group:wait(0))
end)

everywhere("it may be used again after a wait", function()
  local group = goroutine.wait_group()
  for _ = 1, 20 do
    group:add(3)
    goroutine.spawn_many(3, function() group:done() end)
    gives(values(true), group:wait())
  end
end)

everywhere("all who wait are woken", function()
  local group = goroutine.wait_group()
  group:add()
  local handles = goroutine.spawn_many(30, function() return group:wait() end)
  for _, handle in ipairs(handles) do parked(handle) end
  group:done()
  for _, handle in ipairs(handles) do gives(values(true, true), handle:await()) end
end)

test("a goroutine may wait for those that home counts", function()
  local group = goroutine.wait_group()
  group:add(2)
  local waiting = goroutine.async(function() return group:wait() end)
  parked(waiting)
  group:done()
  equal(waiting:done(), false)
  group:done()
  gives(values(true, true), waiting:await())
end)

finish()
