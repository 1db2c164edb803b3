-- Pools as objects.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local create, pool = goroutine.pool_create, goroutine.pool

everywhere("an object does what the functions do", function()
  local name, count = fresh_name(), goroutine.atomic_int()
  equal(pool(name), nil)
  create(name, { workers = 2 })
  local p = pool(name)
  local id, err = p:submit(function(n) count:add(n) end, 5)
  gives(values("string", nil), type(id), err)
  gives(values(true, 7), p:async(function(a, b) return a + b end, 3, 4):await())
  same(p:map({ 1, 2, 3 }, function(n, i) return n * i end), { 1, 4, 9 })
  gives(values(nil, "two"), p:map({ 1, 2 }, function(n) if n == 2 then error("two", 0) end end))
  gives(values(true), p:wait(30000))
  equal(count:load(), 5)
  equal(p:stats().name, name)
  equal(p:stats().submitted, goroutine.pool_stats(name).submitted)
  gives(values(true), p:close())
  equal(pool(name), nil)
end)

everywhere("a pool is one value in a state, and travels", function()
  local name = fresh_name()
  create(name)
  local p = pool(name)
  equal(pool(name), p)
  local ok, got, back = goroutine.async(function(p) return p:async(function() return "ran" end):await(), p end, p):await()
  gives(values(true, true, p), ok, got, back)
  p:close({ cancel = true })
end)

everywhere("an object of a pool that is gone finds nothing, also if another has its name", function()
  local name = fresh_name()
  create(name)
  local old = pool(name)
  create(name, { workers = 3 })
  for _ = 1, 2 do
    gives(values(nil, "pool not found: " .. name), old:submit(print))
    gives(values(nil, "pool not found: " .. name), old:async(print))
    gives(values(nil, "pool not found: " .. name), old:map({ 1 }, print))
    gives(values(false, "pool not found: " .. name), old:wait())
    gives(values(nil), old:stats())
    gives(values(false), old:close())
    assert(pool(name) ~= old)
  end
  equal(pool(name):stats().workers, 3)
  pool(name):close()
end)

everywhere("times are measured", function()
  local name = fresh_name()
  create(name, { workers = 1, queue = 5 })
  local p = pool(name)
  for _ = 1, 3 do p:submit(goroutine.sleep, 5) end
  p:wait()
  local stats = p:stats()
  for _, times in ipairs({ stats.wait_ms, stats.run_ms }) do
    assert(times.p50 <= times.p95 and times.p95 <= times.p99 and times.p99 <= times.max, "in order")
  end
  assert(stats.run_ms.p50 >= 4.9, stats.run_ms.p50)
  assert(stats.wait_ms.max >= 9.8, stats.wait_ms.max) -- the third waited for two
  assert(stats.utilisation > 0 and stats.utilisation <= 1)
  p:close()
end)

everywhere("a task cannot wait for the end of its own pool by the object either", function()
  local name = fresh_name()
  create(name)
  local ok, err = pool(name):async(function(p) p:wait() end, pool(name)):await()
  equal(ok, false)
  contains(err, "a task of pool '" .. name .. "' cannot wait for its own pool to end")
  pool(name):close()
end)

test("the errors name the line of the caller", function()
  create("lines")
  local p = pool("lines")
  for _, f in ipairs({ p.submit, p.async }) do
    local err = raises("bad argument #1", function() local r = f(p, 5) return r end)
    assert(err:match("pool_object%.lua:%d+: bad argument #1 to '%a+' %(function expected, got number%)$"), err)
  end
  local err = raises("bad argument #2 to 'map'", function() local r = p:map({}, 5) return r end)
  assert(err:match("pool_object%.lua:%d+:"), err)
  p:close()
end)

finish()
