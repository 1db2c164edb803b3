-- Closing pools, and making new ones of an old name.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local create, submit, close, stats = goroutine.pool_create, goroutine.pool_submit, goroutine.pool_close, goroutine.pool_stats
local pool_async, await = goroutine.pool_async, goroutine.await

everywhere("close finishes all that was accepted, then the name is unknown", function()
  local name, done = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 2, queue = 100 })
  for _ = 1, 50 do submit(name, function() goroutine.yield() done:add() end) end
  gives(values(true), close(name))
  equal(done:load(), 50)
  gives(values(nil), stats(name))
  gives(values(nil, "pool not found: " .. name), submit(name, function() end))
  gives(values(false), close(name))
end)

everywhere("while it closes, a submit says so", function()
  local name = fresh_name()
  create(name, { workers = 1, queue = 10, priority = true })
  local gate = occupy_pool(name, 1)
  local queued = pool_async(name, function() return "finished" end)
  local closing = goroutine.async(function() return close(name) end)
  parked(closing)
  gives(values(nil, "pool is closed"), submit(name, function() end))
  gives(values(nil, "pool is closed"), pool_async(name, function() end))
  gives(values(nil, "pool is closed"), goroutine.pool_submit_priority(name, 1, function() end))
  gives(values(nil, "pool is closed"), goroutine.pool_map(name, { 1 }, function() end))
  equal(type(stats(name)), "table")
  gate:close()
  gives(values(true, "finished"), await(queued))
  gives(values(true, true), await(closing))
  gives(values(nil), stats(name))
end)

everywhere("who is cancelled while closing it leaves no pool under the name, once it has finished", function()
  local name, finished = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 10 })
  local gate = occupy_pool(name, 1)
  local queued = pool_async(name, function() finished:add() end)
  local closing = goroutine.async(function() return close(name) end)
  parked(closing)
  closing:cancel()
  local ok, err = await(closing)
  equal(ok, false)
  equal(goroutine.is_cancelled(err), true)
  gives(values(nil, "pool is closed"), submit(name, function() end))
  gate:close()
  gives(values(true), await(queued, 30000))
  equal(finished:load(), 1)
  eventually("the name is unknown", function() return stats(name) == nil end)
  gives(values(nil, "pool not found: " .. name), submit(name, function() end))
  gives(values(false), close(name))
end)

everywhere("those that wait for room when it closes are told", function()
  local name = fresh_name()
  create(name, { workers = 1, queue = 0 })
  local gate = occupy_pool(name, 1)
  local submitter = goroutine.async(function() return submit(name, function() end) end)
  parked(submitter)
  local closing = goroutine.async(function() return close(name) end)
  gives(values(true, nil, "pool is closed"), await(submitter, 30000))
  gate:close()
  gives(values(true, true), await(closing))
end)

everywhere("close with cancel drops the queue and stops the running, and their handles say so", function()
  local name, ran = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 2, queue = 10 })
  local running, queued = {}, {}
  for i = 1, 2 do running[i] = pool_async(name, function() goroutine.sleep(1e9) end) end
  for i = 1, 2 do parked(running[i]) end
  for i = 1, 10 do queued[i] = pool_async(name, function() ran:add() end) end
  for i = 1, 10 do equal(queued[i]:status(), "queued") end
  gives(values(true), close(name, { cancel = true }))
  for _, list in ipairs({ running, queued }) do
    for _, handle in ipairs(list) do
      equal(handle:status(), "cancelled")
      local ok, err = await(handle)
      equal(ok, false)
      equal(goroutine.is_cancelled(err), true)
    end
  end
  equal(ran:load(), 0)
  gives(values(nil), stats(name))
end)

everywhere("close without cancel in its options finishes", function()
  local name, done = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 10 })
  for _ = 1, 5 do submit(name, function() done:add() end) end
  gives(values(true), close(name, { cancel = false }))
  equal(done:load(), 5)
  create(name)
  gives(values(true), close(name, {}))
end)

everywhere("creating a pool of a name that is there closes the old one first", function()
  local name, done = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 50 })
  for _ = 1, 20 do submit(name, function() goroutine.yield() done:add() end) end
  gives(values(true), create(name, { workers = 7 }))
  equal(done:load(), 20)
  local s = stats(name)
  equal(s.workers, 7)
  equal(s.submitted, 0)
  close(name)
end)

everywhere("two that create it at the same time leave one, and close the other", function()
  for _ = 1, 30 do
    local name, accepted, done = fresh_name(), goroutine.atomic_int(), goroutine.atomic_int()
    create(name)
    local gate = occupy_pool(name, 1)
    local handles = goroutine.spawn_many(4, function()
      goroutine.pool_create(name)
      if goroutine.pool_submit(name, function()
        goroutine.sleep(1)
        done:add()
      end) then
        accepted:add()
      end
    end)
    for _, handle in ipairs(handles) do parked(handle) end
    gate:close()
    for _, result in ipairs(goroutine.await_all(handles)) do assert(result.success, result.error) end
    gives(values(true), close(name))
    equal(done:load(), accepted:load(), "tasks that had run when the pool was closed, of those accepted")
    gives(values(nil), stats(name))
  end
end)

unless_lua("5.1", "an error that the module raises need not name the caller's line")
everywhere("a task cannot wait for the end of the pool it runs in: it raises instead of hanging", function()
  local name = fresh_name()
  create(name, { workers = 2 })
  for function_name, call in pairs({
    pool_close = function() return (goroutine.pool_close(name)) end,
    pool_create = function() return (goroutine.pool_create(name)) end,
    pool_wait = function() return (goroutine.pool_wait(name)) end,
  }) do
    local handle = pool_async(name, call)
    local ok, err = await(handle, 10000)
    if not handle:done() then handle:cancel() end
    equal(ok, false)
    contains(err, "pool_closing.lua:")
    contains(err, function_name)
    contains(err, "'" .. name .. "'")
  end
  equal(type(stats(name)), "table")
  close(name)
end)

finish()
