-- Pools under load: every task once, and statistics that add up at every instant.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local function identity(s)
  return s.submitted == s.queued + s.active + s.completed + s.failed + s.cancelled
end

local function watch(name, over)
  return goroutine.spawn_many(8, function()
    local looks = 0
    local last = 0
    while over:load() == 0 do
      local s = goroutine.pool_stats(name)
      if not s then break end
      looks = looks + 1
      if s.submitted ~= s.queued + s.active + s.completed + s.failed + s.cancelled then
        error(("%d submitted, but %d queued + %d active + %d completed + %d failed + %d cancelled"):format(
          s.submitted, s.queued, s.active, s.completed, s.failed, s.cancelled), 0)
      end
      assert(s.active <= s.workers, "more active than workers")
      assert(s.submitted >= last, "submitted went down")
      assert(s.utilisation >= 0 and s.utilisation <= 1)
      last = s.submitted
      goroutine.sleep(0.3)
    end
    return looks
  end)
end

test("10,000 tasks through a pool of 10, each once, while eight goroutines watch the statistics", function()
  goroutine.pool_create("stress", { workers = 10 })
  local over, sum, count = goroutine.atomic_int(), goroutine.atomic_int(), goroutine.atomic_int()
  local watchers = watch("stress", over)
  for i = 1, 10000 do
    local id = goroutine.pool_submit("stress", function()
      count:add()
      sum:add(i)
    end)
    if not id then error("task " .. i .. " was not accepted") end
  end
  gives(values(true), goroutine.pool_wait("stress"))
  over:store(1)
  for _, watcher in ipairs(watchers) do
    local ok, looks = watcher:await()
    assert(ok, looks)
    assert(looks > 0)
  end
  equal(count:load(), 10000)
  equal(sum:load(), 50005000)
  local s = goroutine.pool_stats("stress")
  equal(s.submitted, 10000)
  equal(s.completed, 10000)
  assert(identity(s))
  goroutine.pool_close("stress")
end)

test("tasks that fail, wait, are refused and are cancelled all add up", function()
  goroutine.pool_create("mixed", { workers = 5, queue = 20, on_full = "error" })
  local over, accepted, refused = goroutine.atomic_int(), goroutine.atomic_int(), goroutine.atomic_int()
  local watchers = watch("mixed", over)
  local submitters = goroutine.spawn_many(4, function()
    for i = 1, 300 do
      local handle, why = goroutine.pool_async("mixed", function()
        if i % 3 == 0 then error("third", 0) end
        if i % 3 == 1 then goroutine.yield() end
        return i
      end)
      if handle then
        accepted:add()
        if i % 5 == 0 then handle:cancel() end
        handle:await()
      else
        equal(why, "pool queue is full")
        refused:add()
      end
    end
  end)
  for _, result in ipairs(goroutine.await_all(submitters)) do assert(result.success, result.error) end
  goroutine.pool_wait("mixed")
  over:store(1)
  for _, watcher in ipairs(watchers) do
    local ok, looks = watcher:await()
    assert(ok, looks)
  end
  local s = goroutine.pool_stats("mixed")
  equal(s.submitted, accepted:load())
  equal(s.rejected, refused:load())
  equal(s.completed + s.failed + s.cancelled, accepted:load())
  assert(s.failed > 0 and s.completed > 0)
  goroutine.pool_close("mixed")
end)

test("submitting while it is closed and made again: what is accepted is run", function()
  local accepted, ran, over = goroutine.atomic_int(), goroutine.atomic_int(), goroutine.atomic_int()
  goroutine.pool_create("reborn", { workers = 3, queue = 5 })
  local submitters = goroutine.spawn_many(6, function()
    while over:load() == 0 do
      local id, why = goroutine.pool_submit("reborn", function() ran:add() end)
      if id then
        accepted:add()
      else
        assert(why == "pool is closed" or why == "pool not found: reborn", why)
        goroutine.yield()
      end
    end
  end)
  for _ = 1, 20 do
    goroutine.sleep(1)
    goroutine.pool_create("reborn", { workers = 3, queue = 5 })
  end
  over:store(1)
  for _, result in ipairs(goroutine.await_all(submitters)) do assert(result.success, result.error) end
  goroutine.pool_close("reborn")
  equal(ran:load(), accepted:load())
  assert(accepted:load() > 0)
end)

test("closing with cancel in the midst of it: each task ran or its handle says that it did not", function()
  for _ = 1, 10 do
    goroutine.pool_create("cut", { workers = 3, queue = 1000 })
    local ran = goroutine.atomic_int()
    local handles = {}
    for i = 1, 100 do
      handles[i] = goroutine.pool_async("cut", function()
        goroutine.yield()
        ran:add()
      end)
    end
    goroutine.pool_close("cut", { cancel = true })
    local done, cancelled = 0, 0
    for _, handle in ipairs(handles) do
      local ok, err = handle:await(30000)
      if ok then
        done = done + 1
      else
        assert(goroutine.is_cancelled(err), err)
        cancelled = cancelled + 1
      end
    end
    -- One that runs may be stopped between its last step and its return.
    assert(done <= ran:load() and ran:load() <= done + 3, done .. " done, " .. ran:load() .. " ran")
    equal(done + cancelled, 100)
  end
end)

test("many pools at once", function()
  local handles = goroutine.spawn_many(40, function(id)
    local name = "pool of " .. id
    goroutine.pool_create(name, { workers = 1 + id % 4 })
    local list = {}
    for i = 1, 25 do list[i] = i end
    local results = goroutine.pool_map(name, list, function(n) return n * id end)
    local sum = 0
    for _, n in ipairs(results) do sum = sum + n end
    goroutine.pool_close(name)
    return sum
  end)
  for id, handle in ipairs(handles) do gives(values(true, 325 * id), handle:await()) end
end)

finish()
