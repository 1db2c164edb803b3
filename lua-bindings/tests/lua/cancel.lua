-- Cancelling: a goroutine stops at whatever it waits for.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- Every blocking call, as something that waits for ever.
local channel, full, group = goroutine.channel(), goroutine.channel(1), goroutine.wait_group()
full:send("taken")
group:add()
local never = async(function() goroutine.sleep(math.huge) end)
never:name("never")
-- A pool whose only worker is taken.
local gate = goroutine.channel()
goroutine.pool_create("cancel", { workers = 1, queue = 0, priority = true })
goroutine.pool_submit("cancel", function() gate:receive() end)

local blocking = {
  sleep = function() goroutine.sleep(1e9) end,
  ["sleep for ever"] = function() goroutine.sleep(math.huge) end,
  ["await"] = function() goroutine.await(never) end,
  ["await with a limit"] = function() goroutine.await(never, 1e9) end,
  ["handle:await"] = function() never:await() end,
  await_all = function() goroutine.await_all({ never, never }) end,
  await_any = function() goroutine.await_any({ never, never }) end,
  ["wait_group:wait"] = function() group:wait() end,
  ["wait_group:wait with a limit"] = function() group:wait(1e9) end,
  ["channel:receive"] = function() channel:receive() end,
  ["channel:receive with a limit"] = function() channel:receive(1e9) end,
  ["channel:send"] = function() full:send(1) end,
  ["channel:send, a rendezvous"] = function() channel:sender():send(1, 1e9) end,
  ["channel:range"] = function() channel:range(function() end) end,
  channel_send = function() goroutine.channel_send(full, 1) end,
  channel_receive = function() goroutine.channel_receive(channel) end,
  timeout = function() goroutine.timeout(1e9, goroutine.sleep, 1e9) end,
  scope = function() goroutine.scope(function(s) s:spawn(goroutine.sleep, 1e9) end) end,
  wait_all = function()
    goroutine.spawn(function() goroutine.current():name("left behind") goroutine.timeout(300, goroutine.sleep, 1e9) end)
    goroutine.wait_all()
  end,
  pool_submit = function() goroutine.pool_submit("cancel", print) end,
  pool_submit_priority = function() goroutine.pool_submit_priority("cancel", 1, print) end,
  pool_async = function() goroutine.pool_async("cancel", print) end,
  pool_map = function() goroutine.pool_map("cancel", { 1, 2 }, print) end,
  pool_wait = function() goroutine.pool_wait("cancel") end,
  ["pool_wait with a limit"] = function() goroutine.pool_wait("cancel", 1e9) end,
  ["a blocking call in a nested coroutine"] = function()
    coroutine.wrap(function() goroutine.sleep(1e9) end)()
  end,
}

local function is_stopped_in(wait)
  local handle = async(wait)
  parked(handle)
  handle:cancel("enough")
  local ok, err, traceback = await(handle, 30000)
  equal(ok, false)
  equal(tostring(err), "cancelled: enough")
  equal(goroutine.is_cancelled(err), true)
  equal(traceback:sub(1, 15), "stack traceback")
  equal(handle:status(), "cancelled")
  equal(handle:done(), true)
end

-- Receiving from `channel` and sending to it must not meet each other: one at a time.
for name, wait in pairs(blocking) do
  test("cancel stops a goroutine in " .. name, function() is_stopped_in(wait) end)
end
unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("cancel stops a goroutine in an iterator that waits", function()
  is_stopped_in(function() for _ in channel:iter() do end end)
end)

test("a goroutine that yields and yields is stopped too", function()
  local handle = async(function() while true do goroutine.yield() end end)
  handle:cancel()
  local ok, err = await(handle, 30000)
  equal(ok, false)
  equal(tostring(err), "cancelled")
end)

everywhere("those that have hardly started end as cancelled, too", function()
  local handles = {}
  for i = 1, 200 do
    handles[i] = async(goroutine.sleep, 1e9)
    handles[i]:cancel("too late")
  end
  for i = 1, 200 do
    local ok, err = await(handles[i], 30000)
    equal(ok, false)
    equal(tostring(err), "cancelled: too late")
    equal(handles[i]:status(), "cancelled")
  end
end)

everywhere("the error is a value of its own, with and without a reason", function()
  local plain, why = async(goroutine.sleep, 1e9), async(goroutine.sleep, 1e9)
  plain:cancel()
  why:cancel("no more time")
  local _, err = await(plain)
  equal(tostring(err), "cancelled")
  equal(goroutine.is_cancelled(err), true)
  _, err = await(why)
  equal(tostring(err), "cancelled: no more time")
  for _, other in ipairs({ "cancelled", "cancelled: no more time", 0, true, {}, plain, print }) do
    equal(goroutine.is_cancelled(other), false)
  end
  equal(goroutine.is_cancelled(nil), false)
end)

everywhere("a reason is kept byte by byte", function()
  local handle = async(goroutine.sleep, 1e9)
  local ok, err = pcall(handle.cancel, handle, "high \255, \195\164")
  if ok then
    equal(tostring(select(2, await(handle))), "cancelled: high \255, \195\164")
  else
    contains(err, "bad argument #1 to 'cancel'")
    handle:cancel()
    await(handle)
  end
end)

everywhere("only the first reason counts", function()
  local handle = async(goroutine.sleep, 1e9)
  handle:cancel("first")
  handle:cancel("second")
  local _, err = await(handle)
  equal(tostring(err), "cancelled: first")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("the goroutine sees the error, with its reason", function()
  local told = goroutine.channel(1)
  local handle = async(function()
    local ok, err = pcall(goroutine.sleep, 1e9)
    told:try_send({ ok, tostring(err), goroutine.is_cancelled(err) })
  end)
  parked(handle)
  handle:cancel("look")
  await(handle)
  same(told:receive(), { false, "cancelled: look", true })
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("pcall does not swallow it for good: it comes again at every wait", function()
  local seen = goroutine.atomic_int()
  local idle = goroutine.channel()
  local handle = async(function()
    for _ = 1, 5 do
      local ok, err = pcall(goroutine.sleep, 1e9)
      if not ok and goroutine.is_cancelled(err) then seen:add() end
    end
    if not pcall(idle.receive, idle) then seen:add() end
    if not pcall(goroutine.yield) then seen:add() end
    goroutine.sleep(0)
    seen:add(1000)
  end)
  parked(handle)
  handle:cancel()
  local ok, err = await(handle, 30000)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  equal(handle:status(), "cancelled")
  equal(seen:load(), 7)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("once cancelled, calls that need not wait stop it as well", function()
  local ready, past = goroutine.channel(10), goroutine.atomic_int()
  ready:send(1)
  local handle = async(function()
    pcall(goroutine.sleep, 1e9)
    if pcall(function() return ready:receive() end) then past:add() end
    if pcall(function() return ready:send(2) end) then past:add() end
    error("left", 0)
  end)
  parked(handle)
  handle:cancel()
  await(handle, 30000)
  equal(past:load(), 0)
  equal(ready:len(), 1)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("one that catches it and returns has returned", function()
  local handle = async(function()
    pcall(goroutine.sleep, 1e9)
    return "tidied up"
  end)
  parked(handle)
  handle:cancel()
  gives(values(true, "tidied up"), await(handle, 30000))
  equal(handle:status(), "done")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("one that catches it and fails otherwise has failed", function()
  local handle = async(function()
    pcall(goroutine.sleep, 1e9)
    error("while tidying up", 0)
  end)
  parked(handle)
  handle:cancel()
  local ok, err = await(handle, 30000)
  gives(values(false, "while tidying up"), ok, err)
  equal(handle:status(), "failed")
end)

everywhere("cancelling what has ended changes nothing", function()
  local handle = async(function() return "done" end)
  await(handle)
  handle:cancel("too late")
  gives(values(true, "done"), await(handle))
  equal(handle:status(), "done")
  local failed = async(function() error("broken", 0) end)
  await(failed)
  failed:cancel()
  equal(failed:status(), "failed")
end)

everywhere("one may cancel oneself: the next wait is the last", function()
  local handle = async(function()
    goroutine.current():cancel("by myself")
    goroutine.sleep(0)
    return "not reached"
  end)
  local ok, err = await(handle, 30000)
  equal(ok, false)
  equal(tostring(err), "cancelled: by myself")
end)

everywhere("a cancelled goroutine that was to receive leaves the value to others", function()
  for _ = 1, 100 do
    local queue = goroutine.channel()
    local handle = async(function() return (queue:receive()) end)
    local sender = async(function() return queue:send("value") end)
    handle:cancel()
    local ok, value = await(handle, 30000)
    if ok then
      equal(value, "value")
    else
      gives(values("value", true), queue:receive(30000))
    end
    gives(values(true, true), await(sender, 30000))
  end
end)

everywhere("what a sender has sent was sent, whenever it is cancelled", function()
  for _ = 1, 30 do
    local queue = goroutine.channel()
    local sender = async(function() return queue:send("value") end)
    local receiver = async(function() return (queue:receive(10)) end)
    sender:cancel()
    local sent, err = await(sender, 30000)
    local _, received = await(receiver)
    if sent then
      equal(received, "value")
    else
      equal(goroutine.is_cancelled(err), true)
      assert(received == nil or received == "value", received)
    end
    gives(values(nil, false), queue:try_receive())
  end
end)

test("cancelling one leaves the others alone", function()
  local gate = goroutine.channel()
  local handles = goroutine.spawn_many(50, function() return (gate:receive()) end)
  for i = 1, 50, 2 do handles[i]:cancel() end
  for i = 1, 50, 2 do equal(await(handles[i]), false) end
  for _ = 2, 50, 2 do gate:send("go") end
  for i = 2, 50, 2 do gives(values(true, "go"), await(handles[i])) end
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("a cancelled goroutine is not reported as an error", function()
  local handle = goroutine.spawn(goroutine.sleep, 1e9)
  handle:cancel()
  await(handle)
  handle = async(goroutine.sleep, 1e9)
  handle:cancel()
  eventually("it has unwound", function() return handle:done() end)
  handle = nil
  collect()
  if reports then same(reports(), {}) end
end)

test("goroutines that nobody awaits are cancelled by a few hundred at once", function()
  local handles = goroutine.spawn_many(500, function() goroutine.sleep(1e9) end)
  for _, handle in ipairs(handles) do handle:cancel() end
  for _, result in ipairs(goroutine.await_all(handles, 30000)) do
    equal(tostring(result.error), "cancelled")
  end
end)

test("a pool that is being closed, or replaced, goes on being so when who asked for it is cancelled", function()
  for _, ask in ipairs({ function() goroutine.pool_close("cancel") end, function() goroutine.pool_create("cancel") end }) do
    local handle = async(ask)
    parked(handle)
    handle:cancel()
    equal(await(handle, 30000), false)
    gives(values(nil, "pool is closed"), goroutine.pool_submit("cancel", print))
  end
  gate:close()
  eventually("the closed pool is gone", function() return goroutine.pool_stats("cancel") == nil end)
end)

never:cancel()

finish()
