-- Where goroutines run, and in which order: what has not started goes to whoever is free, and nothing is put off without end.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")
local async, spawn = goroutine.async, goroutine.spawn

-- Goroutines that end by starting the next, until `stop` is told; `started` counts them.
local function flood()
  local stop, started, group = goroutine.atomic_int(), goroutine.atomic_int(), goroutine.wait_group()
  local function again()
    started:add()
    if stop:load() == 0 then
      group:add()
      spawn(again)
    end
    group:done()
  end
  for _ = 1, 8 do
    group:add()
    spawn(again)
  end
  return started, function()
    stop:add()
    group:wait()
  end
end

everywhere("what is started without end does not put off what was started before it", function()
  local started, finish = flood()
  for _ = 1, 20 do
    equal(async(function() return true end):await(30000), true)
  end
  finish()
  assert(started:load() > 20, "there was no flood")
end)

everywhere("what is started without end does not put off what is ready to go on", function()
  local _, finish = flood()
  local there, back = goroutine.channel(), goroutine.channel()
  local answers = async(function()
    for _ = 1, 100 do back:send((there:receive())) end
  end)
  local asks = async(function()
    for i = 1, 100 do
      there:send(i)
      equal(back:receive(), i)
    end
    goroutine.sleep(1)
  end)
  equal(asks:await(30000), true)
  equal(answers:await(30000), true)
  finish()
end)

everywhere("what has started and goes on without end does not put off what has not started", function()
  local stop = goroutine.atomic_int()
  local busy = goroutine.spawn_many(16, function()
    while stop:load() == 0 do goroutine.yield() end
  end)
  local handles = goroutine.spawn_many(100, function() end)
  for _, handle in ipairs(handles) do
    equal(handle:await(30000), true)
  end
  stop:add()
  goroutine.await_all(busy)
end)

finish()
