-- Goroutines with an isolate of their own.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["it may block, start others, and share objects"] = "what `blocking` runs is in an isolate, where none is started by `goroutine.local`",
})
local goroutine = require("goroutine")

local blocking = goroutine.blocking

everywhere("it runs, and is awaited like others", function()
  local captured = 40
  gives(values(true, 42, nil, "last"), blocking(function(n) return captured + n, nil, "last" end, 2):await(30000))
  local ok, err, traceback = blocking(function() error("no", 0) end):await(30000)
  gives(values(false, "no", "string"), ok, err, type(traceback))
end)

test("many that keep their threads leave the others theirs", function()
  -- More than there are isolates. Each computes until it is told to end, and parks never.
  local stop, running, handles = goroutine.atomic_int(), goroutine.atomic_int(), {}
  for i = 1, 8 do
    handles[i] = blocking(function()
      running:add()
      while stop:load() == 0 do end
      return "ended"
    end)
  end
  eventually("all run", function() return running:load() == 8 end)
  assert(goroutine.stats().blocked >= 8) -- a busy machine may have started spare isolates besides
  gives(values(true, "done"), goroutine.async(function() return "done" end):await(30000))
  stop:add()
  for i = 1, 8 do gives(values(true, "ended"), handles[i]:await(30000)) end
  eventually("their isolates have ended", function() return goroutine.stats().blocked == 0 end)
end)

everywhere("it may block, start others, and share objects", function()
  local ch = goroutine.channel()
  local h = blocking(function()
    local inner = goroutine.async(function() return (ch:receive()) end)
    goroutine.sleep(1)
    ch:send("through")
    return inner:await()
  end)
  gives(values(true, true, "through"), h:await(30000))
end)

test("it can be cancelled, and is one of the goroutines that wait_all waits for", function()
  local h = blocking(function() goroutine.sleep(1e9) end)
  parked(h)
  h:cancel("enough")
  local ok, err = h:await(30000)
  equal(ok, false)
  equal(tostring(err), "cancelled: enough")
  local done = goroutine.atomic_int()
  blocking(function() goroutine.sleep(5) done:add() end)
  gives(values(true), goroutine.wait_all(30000))
  equal(done:load(), 1)
end)

test("one after another they leave nothing behind", function()
  for i = 1, 30 do gives(values(true, i), blocking(function(n) return n end, i):await(30000)) end
  eventually("their isolates have ended", function() return goroutine.stats().blocked == 0 end)
end)

finish()
