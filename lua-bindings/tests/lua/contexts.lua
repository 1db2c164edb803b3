-- Contexts.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local CANCELED, EXCEEDED = "context canceled", "context deadline exceeded"

everywhere("it is cancelled by its function or its method, once", function()
  for _, by_method in ipairs({ true, false }) do
    local ctx, cancel = goroutine.context()
    gives(values(false), ctx:is_cancelled())
    gives(values(nil), ctx:err())
    if by_method then gives(values(), ctx:cancel()) else gives(values(), cancel()) end
    gives(values(true), ctx:is_cancelled())
    gives(values(CANCELED), ctx:err())
    cancel()
    ctx:cancel()
    gives(values(CANCELED), ctx:err())
  end
end)

everywhere("a parent's end ends its children, and not the other way round", function()
  local root = goroutine.context()
  local left, cancel_left = root:with_cancel()
  local right = root:with_timeout(60000)
  local below = left:with_deadline(1e15)
  cancel_left()
  gives(values(CANCELED), left:err())
  gives(values(CANCELED), below:err())
  gives(values(nil), root:err())
  gives(values(nil), right:err())
  root:cancel()
  gives(values(CANCELED), right:err())
  gives(values(CANCELED), (root:with_cancel()):err())
end)

everywhere("a time that is over ends it, and all below", function()
  local ctx = goroutine.context():with_timeout(20)
  local below = ctx:with_timeout(60000):with_cancel()
  gives(values(nil, false), goroutine.context():deadline())
  local at, has = ctx:deadline()
  equal(has, true)
  equal(below:deadline(), at)
  goroutine.sleep(20)
  gives(values(EXCEEDED), ctx:err())
  gives(values(EXCEEDED), below:err())
  ctx:cancel()
  gives(values(EXCEEDED), ctx:err())
  gives(values(EXCEEDED), (goroutine.context():with_timeout(0)):err())
  gives(values(EXCEEDED), (goroutine.context():with_timeout(-1)):err())
  gives(values(EXCEEDED), (goroutine.context():with_deadline(os.time() * 1000 - 5000)):err())
  gives(values(nil, false), (goroutine.context():with_timeout(math.huge)):deadline())
end)

everywhere("a deadline is a time of day in milliseconds", function()
  local at = os.time() * 1000 + 60000
  local ctx = goroutine.context():with_deadline(at)
  local got, has = ctx:deadline()
  equal(got == at and has, true)
  local soon = goroutine.context():with_timeout(1000):deadline()
  assert(soon > os.time() * 1000 - 1000 and soon < os.time() * 1000 + 4000, soon)
end)

everywhere("done is a channel that closes", function()
  local ctx, cancel = goroutine.context()
  local done = ctx:done()
  equal(ctx:done(), done)
  gives(values(nil, false), done:try_receive())
  equal(done:is_closed(), false)
  local waiting = goroutine.async(function() return done:receive() end)
  parked(waiting)
  cancel()
  gives(values(true, nil, false), waiting:await())
  equal(ctx:done():is_closed(), true)
  raises("cannot send on receive-only channel", done.send, done, 1)
  -- Asked for after the end.
  gives(values(nil, false), (goroutine.context():with_timeout(0)):done():receive())
end)

unless_lua("5.1", "an error that the module raises need not name the caller's line")
everywhere("done closes when the context ends, and nobody else closes it", function()
  local ctx, cancel = goroutine.context()
  local done = ctx:done()
  local why = "cannot close the channel of a context: it closes when the context ends"
  local err = raises(why, function()
    local closed = done:close()
    return closed
  end)
  assert(err:match("contexts%.lua:%d+: cannot close"), err)
  raises(why, goroutine.channel_close, done)
  local view = done:receiver()
  raises(why, view.close, view)
  -- What closes its input when it ends leaves this one alone.
  local joined = goroutine.fan_in({ done })
  local split, mapped = goroutine.fan_out(done, 2), goroutine.pipeline(done, { { fn = tostring } })
  for _, flow in ipairs(goroutine.list()) do
    if flow ~= goroutine.current() then flow:cancel() end
  end
  for _, output in ipairs({ joined, split[1], mapped }) do gives(values(nil, false), output:receive()) end
  equal(done:is_closed(), false)
  gives(values(nil, false, "timeout exceeded"), done:receive(1))
  cancel()
  gives(values(nil, false), done:receive())
  raises(why, done.close, done)
end)

everywhere("done closes also when nothing else is left of the context", function()
  local function only_done()
    return (goroutine.context():with_timeout(30)):done()
  end
  local done = only_done()
  for _ = 1, 3 do collectgarbage() end
  equal(done:is_closed(), false)
  gives(values(nil, false), done:receive(30000))
  gives(values(nil, false), only_done():receive(30000))
end)

everywhere("contexts and their cancel functions cross, and are the same there", function()
  local ctx, cancel = goroutine.context()
  local ok, same, err = goroutine.async(function(given)
    cancel()
    return given == ctx and ctx, ctx:err()
  end, ctx):await()
  assert(ok, same)
  equal(same, ctx)
  equal(err, CANCELED)
  gives(values(CANCELED), ctx:err())
end)

everywhere("run gives what the function gives, unless the context ends first", function()
  local ctx = goroutine.context():with_timeout(60000)
  gives(values(true, 1, nil, 3), ctx:run(function(...) return ... end, 1, nil, 3))
  local ok, err = ctx:run(error, "no", 0)
  gives(values(false, "no"), ok, err)
  gives(values(false, EXCEEDED), ctx:with_timeout(10):run(goroutine.sleep, 60000))
  local short, cancel = ctx:with_cancel()
  goroutine.spawn(function()
    goroutine.sleep(5)
    cancel()
  end)
  gives(values(false, CANCELED), short:run(goroutine.sleep, 60000))
  local ran = goroutine.atomic_int()
  gives(values(false, CANCELED), short:run(function() ran:add() end))
  equal(ran:load(), 0)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("run stops the function that it gives up", function()
  local stopped = goroutine.channel(1)
  gives(values(false, EXCEEDED), goroutine.context():with_timeout(5):run(function()
    local ok, err = pcall(goroutine.sleep, 60000)
    stopped:send(tostring(err))
  end))
  -- Cancelled, it cannot send any more; that it ends is what counts.
  gives(values(true), goroutine.wait_all(30000))
end)

everywhere("spawn starts a goroutine that is cancelled with the context", function()
  local ctx, cancel = goroutine.context():with_timeout(60000)
  gives(values(true, 3), ctx:spawn(function(a, b) return a + b end, 1, 2):await())
  local sleeping = ctx:spawn(goroutine.sleep, 60000)
  parked(sleeping)
  cancel()
  local ok, err = sleeping:await(30000)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  equal(tostring(err), "cancelled: " .. CANCELED)
  local ran = goroutine.atomic_int()
  local never = ctx:spawn(function() ran:add() end)
  never:await()
  equal(never:status(), "cancelled")
  equal(ran:load(), 0)
end)

everywhere("a goroutine of a context that nobody has any more is cancelled in time", function()
  local sleeping = (goroutine.context():with_timeout(30)):spawn(goroutine.sleep, 60000)
  for _ = 1, 3 do collectgarbage() end
  local _, err = sleeping:await(30000)
  equal(tostring(err), "cancelled: " .. EXCEEDED)
end)

everywhere("many contexts are made and left, and a long line of them", function()
  local root = goroutine.context()
  for _ = 1, 2000 do
    local ctx = root:with_timeout(1e9)
    ctx:done()
    ctx:with_cancel()
  end
  local last = root
  for _ = 1, 20000 do last = last:with_cancel() end
  root:cancel()
  gives(values(CANCELED), last:err())
end)

finish()
