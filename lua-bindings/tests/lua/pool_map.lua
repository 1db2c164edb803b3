-- pool_map: a list through a pool.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local create, wait, close, stats = goroutine.pool_create, goroutine.pool_wait, goroutine.pool_close, goroutine.pool_stats
local await = goroutine.await

everywhere("map gives the results in the list's order, and the index to the function", function()
  local name = fresh_name()
  create(name, { workers = 4 })
  local list = {}
  for i = 1, 100 do list[i] = "item " .. i end
  local results, err = goroutine.pool_map(name, list, function(item, index)
    for _ = 1, (index * 7) % 5 do goroutine.yield() end
    return item .. " at " .. index
  end)
  equal(err, nil)
  equal(#results, 100)
  for i = 1, 100 do equal(results[i], "item " .. i .. " at " .. i) end
  same(goroutine.pool_map(name, {}, function() end), {})
  close(name)
end)

everywhere("map works through a queue of 0, with items that are false and tables", function()
  local name = fresh_name()
  create(name, { workers = 2, queue = 0 })
  same(goroutine.pool_map(name, { false, { 5 }, "x" }, function(item) return { item } end), { { false }, { { 5 } }, { "x" } })
  close(name)
end)

everywhere("what has no place in the list, or holes, is a wrong call, and nothing runs", function()
  local name, ran = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1 })
  local function run() ran:add() end
  raises("#2 to 'pool_map' (list of values expected, got 'x' as a key)", goroutine.pool_map, name, { 1, x = 2 }, run)
  raises("#2 to 'pool_map' (list of values expected, got nil at [2])", goroutine.pool_map, name, { [1] = 1, [3] = 3 }, run)
  raises("#2 to 'pool_map' (list of values expected, got nil at [2])", goroutine.pool_map, name, { 1, nil, 3 }, run)
  equal(ran:load(), 0)
  same(goroutine.pool_map(name, { n = 2, "packed", false }, function(value) return value end), { "packed", false })
  close(name)
end)

everywhere("map gives nil and the first error, and cancels the rest", function()
  local name, others = fresh_name(), goroutine.wait_group()
  others:add(3)
  create(name, { workers = 4, queue = 10 })
  local results, err = goroutine.pool_map(name, { 1, 2, 3, 4 }, function(item)
    if item == 2 then
      others:wait() -- what has not started is cancelled unseen
      error("item " .. item, 0)
    end
    others:done()
    goroutine.sleep(1e9)
  end)
  gives(values(nil, "item 2"), results, err)
  gives(values(true), wait(name, 30000))
  local counts = stats(name)
  gives(values(1, 3, 0), counts.failed, counts.cancelled, counts.completed)
  close(name)
end)

everywhere("an error early in a long map keeps the rest from running", function()
  local name, ran = fresh_name(), goroutine.atomic_int()
  create(name, { workers = 1, queue = 0 })
  local list = {}
  for i = 1, 200 do list[i] = i end
  gives(values(nil, "first"), goroutine.pool_map(name, list, function(item)
    ran:add()
    if item == 1 then error("first", 0) end
  end))
  wait(name)
  assert(ran:load() < 100, "ran " .. ran:load() .. " of 200 after the error of the first")
  close(name)
end)

test("cancelling a goroutine that waits for a map cancels the map", function()
  local name = fresh_name()
  create(name, { workers = 4 })
  local mapping = goroutine.async(function()
    return goroutine.pool_map(name, { 1, 2, 3 }, function() goroutine.sleep(1e9) end)
  end)
  eventually("all run", function() return stats(name).active == 3 end)
  mapping:cancel()
  equal(await(mapping, 30000), false)
  gives(values(true), wait(name, 30000))
  equal(stats(name).cancelled, 3)
  close(name)
end)

finish()
