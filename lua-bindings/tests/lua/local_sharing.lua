-- goroutine.local: goroutines that share the script's variables. Scripts written for Go's shared memory work unchanged.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine.local")

-- In the script itself, and in a goroutine of this flavour.
local function both(name, fn)
  if skipped(name) then
    return
  end
  test(name .. " (in the script)", fn)
  test(name .. " (in a goroutine)", function()
    local ok, err, traceback = goroutine.await(goroutine.async(fn))
    if not ok then
      error(tostring(err) .. "\nin the goroutine: " .. tostring(traceback), 0)
    end
  end)
end

both("a counter under a mutex, with a sleep inside", function()
  local mutex, group, counter = goroutine.mutex(), goroutine.wait_group(), 0
  for _ = 1, 20 do
    group:add(1)
    goroutine.spawn(function()
      mutex:lock()
      local before = counter
      goroutine.sleep(0.5)
      counter = before + 1
      mutex:unlock()
      group:done()
    end)
  end
  equal(group:wait(20000), true)
  equal(counter, 20)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
both("a goroutine that goes on although it is cancelled holds nobody up", function()
  local stop = false
  local h = goroutine.async(function()
    while not stop do pcall(goroutine.sleep, 10) end
    return "stopped"
  end)
  goroutine.yield()
  h:cancel("enough")
  goroutine.sleep(5)
  stop = true
  gives(values(true, "stopped"), h:await())
end)

both("without the mutex the sleep loses updates: they do share", function()
  local group, counter = goroutine.wait_group(), 0
  for _ = 1, 5 do
    group:add(1)
    goroutine.spawn(function()
      local before = counter
      goroutine.sleep(5)
      counter = before + 1
      group:done()
    end)
  end
  group:wait()
  equal(counter, 1)
end)

both("three goroutines fill one table of results", function()
  local results, group = {}, goroutine.wait_group()
  for i = 1, 3 do
    group:add()
    goroutine.spawn(function()
      for j = 1, 4 do
        goroutine.sleep(0.1)
        results[#results + 1] = i * 10 + j
      end
      results["last of " .. i] = true
      group:done()
    end)
  end
  group:wait()
  equal(#results, 12)
  table.sort(results)
  equal(results[1], 11)
  equal(results[12], 34)
  for i = 1, 3 do equal(results["last of " .. i], true) end
end)

both("a condition variable over a captured flag", function()
  local cond, ready, log = goroutine.cond(), false, {}
  local mutex = cond:get_mutex()
  local waiting = {}
  for i = 1, 3 do
    waiting[i] = goroutine.async(function()
      mutex:lock()
      while not ready do cond:wait() end
      log[#log + 1] = "went on"
      mutex:unlock()
    end)
  end
  goroutine.sleep(1)
  equal(#log, 0)
  mutex:lock()
  ready = true
  cond:broadcast()
  mutex:unlock()
  for _, handle in ipairs(waiting) do gives(values(true), goroutine.await(handle)) end
  equal(#log, 3)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
both("readers that insert into captured lists", function()
  local channel, seen = goroutine.channel(), { {}, {}, {} }
  local group = goroutine.wait_group()
  for i = 1, 3 do
    group:add(1)
    goroutine.spawn(function()
      for value in channel:iter() do table.insert(seen[i], value) end
      group:done()
    end)
  end
  for i = 1, 300 do channel:send(i) end
  channel:close()
  group:wait()
  local sum = 0
  for _, list in ipairs(seen) do
    for _, value in ipairs(list) do sum = sum + value end
  end
  equal(sum, 45150)
end)

both("globals and loaded modules are the script's own", function()
  local_sharing_global = 1
  goroutine.await(goroutine.async(function() local_sharing_global = local_sharing_global + 1 end))
  equal(local_sharing_global, 2)
  local_sharing_global = nil
  equal(select(2, goroutine.await(goroutine.async(function() return string end))), string)
end)

both("results and errors are the very values, whatever they are", function()
  local co, file = coroutine.create(function() end), io.tmpfile()
  local ok, a, b, c = goroutine.await(goroutine.async(function() return co, file, nil end))
  gives(values(true, co, file, nil), ok, a, b, c)
  local t = { inside = co }
  local handle = goroutine.async(function() error(t) end)
  for _ = 1, 2 do gives(values(false, t), (function(good, err) return good, err end)(goroutine.await(handle))) end
  file:close()
end)

both("arguments are the very values, nils included", function()
  local t = {}
  gives(values(true, 4, nil, t, nil, t), goroutine.await(goroutine.async(function(...) return select("#", ...), ... end, nil, t, nil, t)))
end)

both("all arguments arrive, however many, while others are cancelled before they start", function()
  local unpack = table.unpack or unpack
  for round = 1, 3 do
    local handles = {}
    for n = 0, 40 do
      local arguments = {}
      for i = 1, n do
        if i % 3 > 0 then arguments[i] = round * 1000 + i end
      end
      handles[n] = goroutine.async(function(...) return select("#", ...), ... end, unpack(arguments, 1, n))
    end
    for n = 4, 40, 5 do handles[n]:cancel() end
    for n = 0, 40 do
      local results = values(handles[n]:await())
      if n % 5 == 4 then
        equal(results[1], false)
      else
        equal(results.n, n + 2)
        equal(results[2], n)
        for i = 1, n do equal(results[i + 2], i % 3 > 0 and round * 1000 + i or nil) end
      end
    end
  end
end)

both("a goroutine starts when its starter blocks, and in order", function()
  local order = {}
  for i = 1, 5 do goroutine.spawn(function() order[#order + 1] = i end) end
  equal(#order, 0)
  goroutine.yield()
  equal(table.concat(order, " "), "1 2 3 4 5")
end)

both("those that yield take turns", function()
  local order = {}
  local function turns(name)
    for _ = 1, 3 do
      order[#order + 1] = name
      goroutine.yield()
    end
  end
  local a, b = goroutine.async(turns, "a"), goroutine.async(turns, "b")
  goroutine.await_all({ a, b })
  equal(table.concat(order), "ababab")
end)

both("sleep(0) lets the others run", function()
  local ran = 0
  goroutine.spawn(function() ran = ran + 1 end)
  goroutine.sleep(0)
  equal(ran, 1)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
both("the first error of a scope cancels the others, which share what they have done", function()
  local done = {}
  local err = raises("broken", goroutine.scope, function(s)
    s:spawn(function()
      done.slow = "started"
      goroutine.sleep(60000)
      done.slow = "through"
    end)
    s:spawn(function()
      goroutine.sleep(1)
      error("broken")
    end)
  end)
  contains(err, "local_sharing.lua:")
  equal(done.slow, "started")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
both("a scope's function gets its children's work", function()
  local sum = 0
  local result = goroutine.scope(function(s)
    for i = 1, 10 do s:spawn(function() sum = sum + i end) end
    return "returned"
  end)
  equal(result, "returned")
  equal(sum, 55)
end)

both("a timeout ends what waits, and gives what does not", function()
  local at, limit = nil, 5
  eventually("it has begun before its time is over", function()
    limit = limit * 2
    gives(values(false, "timeout exceeded"), goroutine.timeout(limit, function()
      at = "waiting"
      goroutine.sleep(60000)
      at = "through"
    end))
    return at
  end)
  equal(at, "waiting")
  local t = {}
  gives(values(true, t), goroutine.timeout(60000, function() return t end))
end)

both("a pool of goroutines that share", function()
  local name, done, most, active = fresh_name(), 0, 0, 0
  goroutine.pool_create(name, { workers = 3, queue = 2 })
  for _ = 1, 30 do
    assert(goroutine.pool_submit(name, function()
      active = active + 1
      most = math.max(most, active)
      goroutine.sleep(0.2)
      active = active - 1
      done = done + 1
    end))
  end
  equal(goroutine.pool_wait(name), true)
  equal(done, 30)
  equal(most, 3)
  same(goroutine.pool_map(name, { 1, 2, 3 }, function(n) return n * done end), { 30, 60, 90 })
  local stats = goroutine.pool_stats(name)
  equal(stats.completed, 33)
  equal(goroutine.pool_close(name), true)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
both("a pipeline, fan_out and fan_in whose functions share", function()
  local input, seen = goroutine.channel(5), {}
  local output = goroutine.pipeline(input, {
    { workers = 2, fn = function(n) seen[n] = true return n * 2 end },
    { fn = function(n) return n + 1 end },
  })
  goroutine.spawn(function()
    for i = 1, 20 do input:send(i) end
    input:close()
  end)
  local sum = 0
  for _, part in ipairs({ goroutine.fan_in(goroutine.fan_out(output, 2)) }) do
    for value in part:iter() do sum = sum + value end
  end
  equal(sum, 2 * (2 * 210 + 20))
  equal(#seen, 20)
end)

both("a context ends what was started with it", function()
  local ctx, cancel = goroutine.context()
  local progress = "none"
  local handle = ctx:spawn(function()
    progress = "waiting"
    goroutine.sleep(60000)
  end)
  goroutine.yield()
  equal(progress, "waiting")
  cancel()
  local ok, err = goroutine.await(handle)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  local done, why = goroutine.context():with_timeout(5):run(function() goroutine.sleep(60000) end)
  gives(values(false, "context deadline exceeded"), done, why)
end)

both("wait_all waits for those that were started here", function()
  local count = 0
  goroutine.spawn_many(10, function(id) goroutine.sleep(id / 10) count = count + 1 end)
  equal(goroutine.wait_all(20000), true)
  equal(count, 10)
end)

both("handles tell: current, list, id, name, status", function()
  local gate = goroutine.channel()
  local handle = goroutine.async(function()
    gate:receive()
    return goroutine.current()
  end)
  equal(handle:status(), "queued")
  handle:name("the one")
  goroutine.yield()
  equal(handle:status(), "waiting")
  local found
  for _, one in ipairs(goroutine.list()) do found = found or one == handle end
  equal(found, true)
  contains(goroutine.dump(), "'the one'")
  gate:send(true)
  gives(values(true, handle), goroutine.await(handle))
  equal(handle:status(), "done")
end)

both("a goroutine has one handle for all, however many handles come and go", function()
  local gate, kept, told, echo = goroutine.channel(), {}, {}, goroutine.channel(1)
  for round = 1, 3 do
    for i = 1, 60 do
      local handle = goroutine.async(function(key)
        told[key] = goroutine.current()
        gate:receive()
      end, round * 100 + i)
      -- The others are forgotten, and those to come take their places.
      if i % 3 == 0 then kept[round * 100 + i] = handle end
    end
    goroutine.yield()
    for key, handle in pairs(kept) do
      equal(rawequal(handle, told[key]), true)
      echo:send({ handle })
      equal(rawequal(handle, (echo:receive())[1]), true)
      equal(handle:id(), told[key]:id())
    end
    local keys = {}
    for _, handle in ipairs(goroutine.list()) do keys[handle] = true end
    for _, handle in pairs(kept) do equal(keys[handle], true) end
    keys = nil
    for key in pairs(told) do
      if not kept[key] then told[key] = nil end
    end
    collectgarbage()
    collectgarbage()
  end
  gate:close()
  for _, handle in pairs(kept) do equal(goroutine.await(handle), true) end
end)

both("one that is cancelled before it starts never runs, and what it held is let go", function()
  local weak, ran = setmetatable({}, { __mode = "k" }), false
  local handle
  do
    local held = {}
    weak[held] = true
    handle = goroutine.async(function() ran = held end)
  end
  handle:cancel("not wanted")
  equal(handle:status(), "cancelled")
  goroutine.yield()
  collect()
  equal(ran, false)
  equal(next(weak), nil)
end)

both("a blocking call in a coroutine is never seen by resume", function()
  local function generator()
    return coroutine.wrap(function()
      for i = 1, 3 do
        goroutine.sleep(0.2)
        coroutine.yield(i)
      end
    end)
  end
  local others = 0
  goroutine.spawn(function() others = others + 1 end)
  local sum = 0
  local steps = generator()
  for _ = 1, 3 do sum = sum + steps() end
  equal(sum, 6)
  equal(others, 1)
end)

both("coroutine.running, yield and isyieldable tell what they do outside of goroutines", function()
  gives(values(true, "yields"), coroutine.resume(coroutine.create(function() coroutine.yield("yields") end)))
  local ok, err = goroutine.await(goroutine.async(function()
    local _, main = coroutine.running()
    equal(main, true)
    if coroutine.isyieldable then equal(coroutine.isyieldable(), false) end
    coroutine.yield(1)
  end))
  equal(ok, false)
  contains(err, "attempt to yield from outside a coroutine")
end)

both("stack traces show the script's own lines", function()
  local function inner() error("deep") end
  local ok, err, traceback = goroutine.await(goroutine.async(function()
    goroutine.sleep(0.1)
    inner()
    return 1
  end))
  equal(ok, false)
  contains(err, "local_sharing.lua:")
  contains(traceback, "'inner'")
  assert(not traceback:find("goroutine:local", 1, true), traceback)
end)

both("100 000 goroutines at once", function()
  local n = scaled(100000, 1000)
  local count, gate = 0, goroutine.channel()
  for _ = 1, n do
    goroutine.spawn(function()
      gate:receive()
      count = count + 1
    end)
  end
  goroutine.yield()
  equal(count, 0)
  gate:close()
  equal(goroutine.wait_all(60000), true)
  equal(count, n)
end)

test("an error that nobody awaits is reported, with where its goroutine was started", function()
  if not reports then return end
  reports()
  goroutine.spawn(function() error("unseen") end)
  goroutine.wait_all()
  local told = reports()
  equal(#told, 1)
  contains(told[1], "(started at ")
  contains(told[1], "local_sharing.lua:")
  contains(told[1], "unseen")
  contains(told[1], "stack traceback")
end)

test("what a wait in the script does not need goes on at the next wait", function()
  local steps = 0
  goroutine.spawn(function()
    for _ = 1, 3 do
      goroutine.sleep(0.2)
      steps = steps + 1
    end
  end)
  goroutine.sleep(0.1)
  local before = steps
  assert(before < 3, before)
  eventually("it ends", function() return steps == 3 end)
end)

finish()
