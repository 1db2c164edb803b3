-- Pools: how many run and wait, what a submit gives, order, waiting, statistics.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local create, submit, wait, close = goroutine.pool_create, goroutine.pool_submit, goroutine.pool_wait, goroutine.pool_close
local stats, pool_async, await = goroutine.pool_stats, goroutine.pool_async, goroutine.await

everywhere("create gives true, submit a task id that is a text of its own", function()
  local name, seen = fresh_name(), {}
  gives(values(true), create(name))
  for _ = 1, 50 do
    local id, more = submit(name, function() end)
    equal(type(id), "string")
    equal(more, nil)
    equal(seen[id], nil)
    seen[id] = true
  end
  gives(values(1), select("#", submit(name, function() end)))
  gives(values(true), close(name))
end)

everywhere("the default is 4 workers and 8 places in the queue", function()
  local name = fresh_name()
  create(name, { on_full = "error" })
  local gate = occupy_pool(name, 4)
  for _ = 1, 8 do equal(type(submit(name, function() end)), "string") end
  gives(values(nil, "pool queue is full"), submit(name, function() end))
  equal(stats(name).workers, 4)
  gate:close()
  close(name)
end)

everywhere("the queue is twice the workers unless told", function()
  local name = fresh_name()
  create(name, { workers = 3, on_full = "error" })
  local gate = occupy_pool(name, 3)
  for _ = 1, 6 do equal(type(submit(name, function() end)), "string") end
  gives(values(nil, "pool queue is full"), submit(name, function() end))
  gate:close()
  close(name)
end)

everywhere("a queue of 0 takes a task only where a worker is free", function()
  local name = fresh_name()
  create(name, { workers = 1, queue = 0, on_full = "error" })
  local gate = occupy_pool(name, 1)
  gives(values(nil, "pool queue is full"), submit(name, function() end))
  gives(values(nil, "pool queue is full"), pool_async(name, function() end))
  equal(stats(name).rejected, 2)
  gate:close()
  wait(name)
  gives(values(true, "ran"), await(pool_async(name, function() return "ran" end)))
  close(name)
end)

everywhere("a full pool that blocks holds the submitter back until there is room", function()
  local name, submitted = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 1 })
  local gate = occupy_pool(name, 1)
  submit(name, function() end)
  local submitter = goroutine.async(function()
    local id = submit(name, function() end)
    submitted:add()
    return type(id)
  end)
  parked(submitter)
  equal(submitted:load(), 0)
  gate:close()
  gives(values(true, "string"), await(submitter))
  close(name)
end)

everywhere("never more run at once than there are workers", function()
  local name = fresh_name()
  create(name, { workers = 3, queue = 100 })
  local running, most = goroutine.atomic_int(), goroutine.atomic_int()
  for _ = 1, 60 do
    submit(name, function()
      local now = running:add()
      local seen = most:load()
      while now > seen and not most:compare_and_swap(seen, now) do seen = most:load() end
      goroutine.sleep(1)
      running:add(-1)
    end)
  end
  gives(values(true), wait(name))
  equal(most:load(), 3)
  close(name)
end)

everywhere("one worker runs the tasks in the order in which they were submitted", function()
  local name, order = fresh_name(), goroutine.channel(100)
  create(name, { workers = 1, queue = 100 })
  for i = 1, 50 do submit(name, function() order:send(i) end) end
  wait(name)
  for i = 1, 50 do gives(values(i, true), order:try_receive()) end
  close(name)
end)

everywhere("higher priorities come first, in order among equals", function()
  local name, order = fresh_name(), goroutine.channel(100)
  create(name, { workers = 1, queue = 100, priority = true })
  local gate = occupy_pool(name, 1)
  local function put(priority, mark)
    equal(type(goroutine.pool_submit_priority(name, priority, function() order:send(mark) end)), "string")
  end
  put(1, "c1")
  put(5, "b1")
  put(1, "c2")
  put(9, "a1")
  submit(name, function() order:send("zero") end)
  put(-3, "last")
  put(5, "b2")
  put(9, "a2")
  gate:close()
  wait(name)
  for _, mark in ipairs({ "a1", "a2", "b1", "b2", "c1", "c2", "zero", "last" }) do
    equal(order:receive(), mark)
  end
  close(name)
end)

everywhere("a priority is a wrong call on a pool without", function()
  local name = fresh_name()
  create(name)
  raises("priority", goroutine.pool_submit_priority, name, 1, function() end)
  close(name)
end)

everywhere("arguments are handed over, and pool_async gives a handle like others", function()
  local name = fresh_name()
  create(name)
  local handle = pool_async(name, function(...) return select("#", ...), ... end, nil, "b", nil)
  gives(values(true, 3, nil, "b", nil), await(handle))
  equal(handle:status(), "done")
  local handles = {}
  for i = 1, 20 do handles[i] = pool_async(name, function(n) return n * n end, i) end
  for i, result in ipairs(goroutine.await_all(handles)) do same(result, { success = true, values = { n = 1, i * i } }) end
  local ok, err, traceback = await(pool_async(name, function() error({ code = 1 }) end))
  equal(ok, false)
  equal(err.code, 1)
  equal(traceback:sub(1, 15), "stack traceback")
  close(name)
end)

everywhere("a pool that is not there gives nil, or false, and says so", function()
  local name = "nobody made this one"
  local why = "pool not found: " .. name
  gives(values(nil, why), submit(name, function() end))
  gives(values(nil, why), goroutine.pool_submit_priority(name, 1, function() end))
  gives(values(nil, why), pool_async(name, function() end))
  gives(values(nil, why), goroutine.pool_map(name, { 1 }, function() end))
  gives(values(nil, why), goroutine.pool_map(name, {}, function() end))
  gives(values(false, why), wait(name))
  gives(values(false), close(name))
  gives(values(nil), stats(name))
end)

everywhere("wait waits for what was submitted, and again", function()
  local name, done = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 2, queue = 50 })
  gives(values(true), wait(name))
  for round = 1, 3 do
    for _ = 1, 30 do submit(name, function() goroutine.yield() done:add() end) end
    gives(values(true), wait(name))
    equal(done:load(), round * 30)
  end
  close(name)
end)

everywhere("wait ends by its limit", function()
  local name = fresh_name()
  create(name, { workers = 1 })
  local gate = occupy_pool(name, 1)
  local took, ok, why = timed(wait, name, 20)
  gives(values(false, "timeout exceeded"), ok, why)
  assert(took >= 20, took)
  gives(values(false, "timeout exceeded"), wait(name, 0))
  gate:close()
  gives(values(true), wait(name, 30000))
  close(name)
end)

everywhere("wait waits for failed and cancelled tasks as for others", function()
  local name = fresh_name()
  create(name, { workers = 2, queue = 50 })
  local handles = {}
  for i = 1, 10 do
    handles[i] = pool_async(name, function()
      if i % 2 == 0 then error("even", 0) end
      goroutine.sleep(1e9)
    end)
  end
  for i = 1, 10, 2 do handles[i]:cancel() end
  gives(values(true), wait(name, 30000))
  local s = stats(name)
  equal(s.failed, 5)
  equal(s.cancelled, 5)
  goroutine.await_all(handles)
  close(name)
end)

everywhere("an error in a task leaves its worker and the others at work", function()
  local name = fresh_name()
  create(name, { workers = 1, queue = 20 })
  local handles = {}
  for i = 1, 20 do
    handles[i] = pool_async(name, function()
      if i % 2 == 0 then error("even", 0) end
      return i
    end)
  end
  for i = 1, 20 do equal((await(handles[i])), i % 2 == 1) end
  local s = stats(name)
  equal(s.completed, 10)
  equal(s.failed, 10)
  close(name)
end)

everywhere("a queued task that is cancelled never runs, and makes room", function()
  local name, ran = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 1, on_full = "error" })
  local gate = occupy_pool(name, 1)
  local queued = pool_async(name, function() ran:add() end)
  equal(queued:status(), "queued")
  queued:cancel("not needed")
  gate:close()
  local ok, err = await(queued, 30000)
  equal(ok, false)
  equal(tostring(err), "cancelled: not needed")
  wait(name)
  equal(ran:load(), 0)
  equal(stats(name).cancelled, 1)
  close(name)
end)

everywhere("a task may submit to its own pool, and to others", function()
  local a, b, done = fresh_name(), fresh_name(), goroutine.atomic_int()
  create(a, { workers = 2, queue = 100 })
  create(b, { workers = 2, queue = 100 })
  local function spread(depth)
    done:add()
    if depth > 0 then
      goroutine.pool_submit(a, spread, depth - 1)
      goroutine.pool_submit(b, spread, depth - 1)
    end
  end
  submit(a, spread, 4)
  -- Each task submits before it ends: when neither has anything left, all have run.
  eventually("all have run", function() return done:load() == 31 end)
  wait(a)
  wait(b)
  equal(stats(a).submitted + stats(b).submitted, 31)
  close(a)
  close(b)
end)

everywhere("a task that would wait for ever for its own full pool raises instead", function()
  local name = fresh_name()
  create(name, { workers = 1, queue = 1 })
  local handle = pool_async(name, function()
    goroutine.pool_submit(name, function() end)
    local ok, err = pcall(goroutine.pool_submit, name, function() end)
    return ok, err
  end)
  local ok, submitted, err = await(handle, 30000)
  equal(ok, true)
  equal(submitted, false)
  equal(type(err), "string")
  gives(values(true), wait(name, 30000))
  close(name)
end)

everywhere("stats have all fields", function()
  local name = fresh_name()
  create(name, { workers = 2, queue = 5, on_full = "error" })
  local s = stats(name)
  for _, field in ipairs({ "workers", "active", "queued", "completed", "failed", "rejected", "cancelled", "submitted", "utilisation" }) do
    equal(type(s[field]), "number", field)
    equal(s[field], field == "workers" and 2 or s[field] * 0, field)
  end
  equal(s.name, name)
  for _, field in ipairs({ "wait_ms", "run_ms" }) do
    for _, percentile in ipairs({ "p50", "p95", "p99", "max" }) do
      equal(type(s[field][percentile]), "number", field .. "." .. percentile)
    end
  end
  local gate = occupy_pool(name, 2)
  for _ = 1, 3 do submit(name, function() end) end
  s = stats(name)
  equal(s.active, 2)
  equal(s.queued, 3)
  equal(s.submitted, 5)
  goroutine.sleep(5)
  gate:close()
  wait(name)
  s = stats(name)
  equal(s.active, 0)
  equal(s.queued, 0)
  equal(s.completed, 5)
  assert(s.run_ms.max >= 5, s.run_ms.max)
  assert(s.wait_ms.max >= 5, s.wait_ms.max)
  for _, field in ipairs({ "wait_ms", "run_ms" }) do
    local p = s[field]
    assert(p.p50 <= p.p95 and p.p95 <= p.p99 and p.p99 <= p.max, field)
  end
  assert(s.utilisation > 0 and s.utilisation <= 1, s.utilisation)
  close(name)
end)

everywhere("the name of a pool may be any text", function()
  for _, name in ipairs({ "", "with spaces", "ünï", ("long"):rep(500) }) do
    create(name)
    equal(stats(name).name, name)
    gives(values(true, 1), await(pool_async(name, function() return 1 end)))
    gives(values(true), close(name))
  end
end)

everywhere("names of pools are told apart byte by byte", function()
  local ok, err = pcall(create, "\255")
  if ok then
    gives(values(nil), stats("\254"))
    equal(stats("\255").name, "\255")
    close("\255")
  else
    contains(err, "bad argument #1 to 'pool_create'")
  end
end)

everywhere("options may be nil, or few", function()
  local name = fresh_name()
  for _, options in ipairs({ false, {}, { workers = 1 }, { queue = 3.0 }, { on_full = "block" }, { priority = false } }) do
    gives(values(true), create(name, options or nil))
  end
  close(name)
end)

test("a pool is the same in every goroutine", function()
  local name = fresh_name()
  create(name)
  local handle = goroutine.async(function() return goroutine.pool_submit(name, function() end) end)
  local ok, id = await(handle)
  equal(ok, true)
  equal(type(id), "string")
  wait(name)
  equal(stats(name).submitted, 1)
  gives(values(true, true), await(goroutine.async(function() return goroutine.pool_close(name) end)))
  gives(values(nil), stats(name))
end)

test("cancelling a goroutine that waits for room submits nothing", function()
  local name, ran = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 0 })
  local gate = occupy_pool(name, 1)
  local submitter = goroutine.async(function() return submit(name, function() ran:add() end) end)
  parked(submitter)
  submitter:cancel()
  equal(await(submitter, 30000), false)
  gate:close()
  wait(name)
  equal(ran:load(), 0)
  equal(stats(name).submitted, 1)
  close(name)
end)

test("cancelling a goroutine that waits for a pool leaves the pool alone", function()
  local name = fresh_name()
  create(name, { workers = 1 })
  local gate = occupy_pool(name, 1)
  local waiting = goroutine.async(function() return wait(name) end)
  parked(waiting)
  waiting:cancel()
  equal(await(waiting, 30000), false)
  gate:close()
  gives(values(true), wait(name))
  close(name)
end)

everywhere("a task that is cancelled in the queue has ended at once, and its room is free", function()
  goroutine.pool_create("cancelled early", { workers = 1, queue = 3, on_full = "error" })
  local gate = occupy_pool("cancelled early", 1)
  local handles = {}
  for i = 1, 3 do handles[i] = goroutine.pool_async("cancelled early", function() return i end) end
  gives(values(nil, "pool queue is full"), goroutine.pool_async("cancelled early", function() end))
  handles[2]:cancel("not needed")
  equal(handles[2]:status(), "cancelled")
  local ok, err = goroutine.await(handles[2])
  gives(values(false, "cancelled: not needed"), ok, tostring(err))
  local stats = goroutine.pool_stats("cancelled early")
  gives(values(1, 2, 1, 4), stats.active, stats.queued, stats.cancelled, stats.submitted)
  handles[4] = goroutine.pool_async("cancelled early", function() return 4 end)
  gives(values(nil, "pool queue is full"), goroutine.pool_async("cancelled early", function() end))
  gate:close()
  equal(goroutine.pool_wait("cancelled early"), true)
  for _, i in ipairs({ 1, 3, 4 }) do gives(values(true, i), goroutine.await(handles[i])) end
  stats = goroutine.pool_stats("cancelled early")
  gives(values(0, 0, 1, 4, 5), stats.active, stats.queued, stats.cancelled, stats.completed, stats.submitted)
  goroutine.pool_close("cancelled early")
end)

everywhere("who waits for room gets that of a cancelled task, and who waits for the pool goes on", function()
  goroutine.pool_create("room", { workers = 1, queue = 1 })
  local gate = occupy_pool("room", 1)
  local first = goroutine.pool_async("room", function() return 1 end)
  local submitter = goroutine.async(function()
    return goroutine.await(goroutine.pool_async("room", function() return 2 end))
  end)
  parked(submitter)
  first:cancel()
  eventually("the task that waited is accepted", function() return goroutine.pool_stats("room").submitted == 3 end)
  gate:close()
  gives(values(true, true, 2), goroutine.await(submitter))
  equal(goroutine.pool_wait("room"), true)
  goroutine.pool_close("room")
end)

everywhere("cancelling while tasks begin loses none, and the counts add up", function()
  goroutine.pool_create("race", { workers = 2, queue = 50 })
  local handles = {}
  for i = 1, 300 do
    handles[i] = goroutine.pool_async("race", function() return i end)
    if i % 3 == 0 then handles[i - 1]:cancel() end
    local stats = goroutine.pool_stats("race")
    equal(stats.submitted, stats.queued + stats.active + stats.completed + stats.failed + stats.cancelled)
  end
  equal(goroutine.pool_wait("race"), true)
  local done, cancelled = 0, 0
  for _, handle in ipairs(handles) do
    if handle:status() == "done" then done = done + 1 else cancelled = cancelled + 1 end
  end
  local stats = goroutine.pool_stats("race")
  gives(values(done, cancelled, 300), stats.completed, stats.cancelled, stats.submitted)
  goroutine.pool_close("race")
end)

finish()
