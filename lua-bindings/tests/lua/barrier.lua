-- Barriers.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("all go on when the last has come, and one leads", function()
  local barrier, come = goroutine.barrier(5), goroutine.atomic_int()
  local handles = goroutine.spawn_many(5, function()
    local leads = {}
    for round = 1, 20 do
      come:add()
      local ok, leader = barrier:wait()
      assert(ok == true and come:load() >= 5 * round)
      leads[round] = leader
    end
    return leads
  end)
  local leaders = {}
  for _, handle in ipairs(handles) do
    local ok, leads = handle:await()
    assert(ok, leads)
    for round, leader in ipairs(leads) do
      leaders[round] = (leaders[round] or 0) + (leader and 1 or 0)
    end
  end
  equal(#leaders, 20)
  for round = 1, 20 do equal(leaders[round], 1, "leaders in round " .. round) end
end)

everywhere("a barrier of one does not wait", function()
  local barrier = goroutine.barrier(1)
  gives(values(true, true), barrier:wait())
  gives(values(true, true), barrier:wait(0))
end)

everywhere("a barrier is for one at least", function()
  raises("bad argument #1 to 'barrier' (number from 1 to", goroutine.barrier, 0)
end)

everywhere("one that gives up, or is cancelled, is not counted", function()
  local barrier = goroutine.barrier(2)
  gives(values(false, "timeout exceeded"), barrier:wait(1))
  local waiting = goroutine.async(function() barrier:wait() end)
  parked(waiting)
  waiting:cancel()
  waiting:await()
  gives(values(false, "timeout exceeded"), barrier:wait(0))
  local other = goroutine.async(function() return barrier:wait() end)
  parked(other)
  gives(values(true, true), barrier:wait())
  gives(values(true, true, false), other:await())
end)

finish()
