-- Handles: what they tell, and that they stay the same.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await, current = goroutine.async, goroutine.await, goroutine.current

everywhere("the status follows the goroutine's life", function()
  local gate = goroutine.channel()
  local handle = async(function()
    local before = goroutine.current():status()
    gate:receive()
    return before
  end)
  parked(handle)
  equal(handle:status(), "waiting")
  equal(handle:done(), false)
  gate:close()
  gives(values(true, "running"), await(handle))
  equal(handle:status(), "done")
  equal(handle:done(), true)
end)

everywhere("the status of one that failed, of one that was cancelled", function()
  local failed, cancelled = async(function() error("broken") end), async(goroutine.sleep, 1e9)
  await(failed)
  equal(failed:status(), "failed")
  equal(failed:done(), true)
  cancelled:cancel()
  await(cancelled)
  equal(cancelled:status(), "cancelled")
  equal(cancelled:done(), true)
end)

everywhere("status is one of six words at any time", function()
  local words = { queued = true, running = true, waiting = true, done = true }
  local handles = goroutine.spawn_many(50, function() for _ = 1, 5 do goroutine.yield() end end)
  repeat
    local all = true
    for _, handle in ipairs(handles) do
      local status = handle:status()
      assert(words[status], status)
      all = all and status == "done"
    end
    goroutine.yield()
  until all
end)

everywhere("the id is a whole number that no other has", function()
  local seen = {}
  for _, handle in ipairs(goroutine.spawn_many(100, function() end)) do
    local id = handle:id()
    equal(type(id), "number")
    equal(id % 1, id - id)
    equal(seen[id], nil)
    equal(handle:id(), id)
    seen[id] = true
  end
end)

everywhere("a name is nil until it is given, and may be given again", function()
  local gate = goroutine.channel()
  local handle = async(function()
    gate:receive()
    return goroutine.current():name()
  end)
  equal(handle:name(), nil)
  handle:name("worker 1")
  equal(handle:name(), "worker 1")
  handle:name("worker 2")
  gate:close()
  gives(values(true, "worker 2"), await(handle))
  equal(handle:name(), "worker 2")
end)

everywhere("a name is kept byte by byte", function()
  local handle = async(function() end)
  local name = "zero \0, high \255, \195\164"
  local ok, err = pcall(handle.name, handle, name)
  if ok then
    equal(handle:name(), name)
  else
    contains(err, "bad argument #1 to 'name'")
  end
  await(handle)
end)

everywhere("a goroutine may name itself", function()
  local handle = async(function() goroutine.current():name("by myself") end)
  await(handle)
  equal(handle:name(), "by myself")
end)

test("current is nil in the home state", function()
  gives(values(nil), current())
end)

test("current is the goroutine's own handle", function()
  local ids = goroutine.channel(1)
  local handle = async(function()
    ids:send(goroutine.current():id())
    return goroutine.current() == goroutine.current()
  end)
  gives(values(true, true), await(handle))
  equal(ids:receive(), handle:id())
end)

test("current is the goroutine in a nested coroutine as well", function()
  local handle = async(function()
    local inside = coroutine.wrap(function() return goroutine.current() end)()
    return inside == goroutine.current()
  end)
  gives(values(true, true), await(handle))
end)

test("a handle that crosses and comes back is the same value", function()
  local ch = goroutine.channel(1)
  local handle = async(function()
    ch:send(goroutine.current())
  end)
  await(handle)
  equal(ch:receive(), handle)
  local ok, again = await(async(function(h) return h end, handle))
  equal(ok, true)
  equal(again, handle)
end)

everywhere("objects are keys of tables, also after crossing", function()
  local objects = {
    goroutine.channel(), goroutine.wait_group(), goroutine.atomic_int(), async(function() end),
    goroutine.channel(1):sender(),
  }
  local names = {}
  for i, object in ipairs(objects) do names[object] = i end
  local ok, list = await(async(function(list, table_of_names)
    local found = {}
    for i, object in ipairs(list) do found[i] = table_of_names[object] end
    return { list = list, found = found, names = table_of_names }
  end, objects, names))
  assert(ok, list)
  same(list.found, { 1, 2, 3, 4, 5 })
  for i, object in ipairs(list.list) do
    equal(object, objects[i])
    equal(names[object], i)
    equal(list.names[object], i)
  end
end)

everywhere("different objects are different", function()
  assert(goroutine.channel() ~= goroutine.channel())
  assert(goroutine.atomic_int() ~= goroutine.atomic_int())
  assert(async(function() end) ~= async(function() end))
end)

everywhere("an object is told by its text", function()
  for word, object in pairs({
    channel = goroutine.channel(), handle = async(function() end), ["wait group"] = goroutine.wait_group(),
    ["atomic int"] = goroutine.atomic_int(),
  }) do
    equal(type(object), "userdata")
    contains(tostring(object), word)
  end
end)

everywhere("methods can be taken from an object, and unknown ones are nil", function()
  local handle = async(function() end)
  equal(type(handle.await), "function")
  equal(handle.await, async(function() end).await)
  equal(handle.cancle, nil)
end)

test("handles work after their goroutine's isolate has other things to do", function()
  local handles = {}
  for i = 1, 300 do handles[i] = async(function() return { i } end) end
  goroutine.await_all(goroutine.spawn_many(300, function() goroutine.yield() end))
  for i = 1, 300 do
    local ok, list = await(handles[i])
    equal(ok, true)
    equal(list[1], i)
  end
end)

test("a collector that the script has stopped stays so, however many goroutines it starts", function()
  collect()
  collectgarbage("stop")
  local weak = setmetatable({ {} }, { __mode = "v" })
  for _ = 1, 3000 do goroutine.spawn(function() end) end
  goroutine.wait_all()
  local kept = weak[1] ~= nil
  collectgarbage("restart")
  equal(kept, true)
  collect()
  equal(weak[1], nil)
end)

finish()
