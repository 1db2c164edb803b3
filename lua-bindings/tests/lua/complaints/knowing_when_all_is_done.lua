-- "The queue is empty, but is anybody still at work, who will put something into it? I sleep for a second and hope."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("wait_all waits for whatever was started, however it ends", function()
  local ended = goroutine.atomic_int()
  local cancelled = async(function()
    local _, err = pcall(goroutine.sleep, 1e9)
    ended:add()
    error(err, 0)
  end)
  parked(cancelled)
  local failing = async(function()
    goroutine.sleep(2)
    ended:add()
    error("failed", 0)
  end)
  goroutine.spawn_many(20, function(id)
    goroutine.sleep(id % 4)
    ended:add()
  end)
  gives(values(false, "timeout exceeded"), goroutine.wait_all(1))
  cancelled:cancel()
  gives(values(true), goroutine.wait_all(30000))
  equal(ended:load(), 22)
  equal(await(failing), false)
  gives(values(true), goroutine.wait_all(0))
end)

everywhere("a wait group counts work that makes more work", function()
  local group, leaves = goroutine.wait_group(), goroutine.atomic_int()
  function grow(depth)
    if depth == 0 then
      leaves:add()
    else
      group:add(2)
      for _ = 1, 2 do
        goroutine.spawn(function()
          grow(depth - 1)
        end)
      end
    end
    group:done()
  end
  group:add()
  goroutine.spawn(function() grow(7) end)
  gives(values(true), group:wait(30000))
  equal(leaves:load(), 128)
end)

everywhere("a pool is idle when nothing is queued and nothing runs, not before", function()
  local name, finished = fresh_name(), goroutine.atomic_int()
  goroutine.pool_create(name, { workers = 3, queue = 100 })
  local gate = goroutine.channel()
  for i = 1, 30 do
    goroutine.pool_submit(name, function()
      gate:receive()
      -- Work that makes more work.
      if i <= 10 then goroutine.pool_submit(name, function() finished:add() end) end
      finished:add()
    end)
  end
  gives(values(false, "timeout exceeded"), goroutine.pool_wait(name, 1))
  gate:close()
  gives(values(true), goroutine.pool_wait(name, 30000))
  equal(finished:load(), 40)
  local stats = goroutine.pool_stats(name)
  gives(values(0, 0, 40), stats.active, stats.queued, stats.completed)
  gives(values(true), goroutine.pool_wait(name))
  goroutine.pool_close(name)
end)

everywhere("a scope is left when all have ended that were started in it", function()
  local ended = goroutine.atomic_int()
  local given = goroutine.scope(function(s)
    for i = 1, 10 do
      s:spawn(function()
        goroutine.sleep(i % 3)
        ended:add()
      end)
    end
    return "given"
  end)
  gives(values("given", 10), given, ended:load())
end)

finish()
