-- Both flavours in one script: goroutines of goroutine.local wait for what parallel ones send, and the other way round.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("both modules are its own there")
local here = require("goroutine.local")
local parallel = require("goroutine")

test("require gives two flavours", function()
  assert(here ~= parallel)
  equal(here.channel, parallel.channel)
  assert(here.spawn ~= parallel.spawn)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("values cross by channels, as copies", function()
  local jobs, results = parallel.channel(4), parallel.channel(4)
  for _ = 1, 2 do
    parallel.spawn(function()
      for n in jobs:iter() do results:send({ n = n, square = n * n }) end
    end)
  end
  local sum, got = 0, 0
  local reader = here.async(function()
    for _ = 1, 50 do
      local result = results:receive()
      sum, got = sum + result.square, got + 1
    end
  end)
  here.spawn(function()
    for n = 1, 50 do jobs:send(n) end
    jobs:close()
  end)
  gives(values(true), here.await(reader))
  equal(got, 50)
  equal(sum, 42925)
end)

test("a local goroutine awaits a parallel one, and others run meanwhile", function()
  local gate = parallel.channel()
  local handle = parallel.async(function() return gate:receive(), "parallel" end)
  local ran = 0
  local waiter = here.async(function() return here.await(handle) end)
  here.spawn(function()
    ran = ran + 1
    here.sleep(1)
    gate:send("go")
  end)
  gives(values(true, true, "go", "parallel"), here.await(waiter))
  equal(ran, 1)
end)

test("a parallel goroutine awaits a local one, and gets copies", function()
  local t = { 1, 2, nested = { 3 } }
  local first = here.async(function()
    here.sleep(1)
    return t, "and more"
  end)
  local waiter = parallel.async(function()
    local ok, got, more = first:await()
    got[1] = "changed"
    return ok, got.nested[1], more
  end)
  gives(values(true, true, 3, "and more"), here.await(waiter))
  equal(t[1], 1)
  equal(select(2, here.await(first)), t)
end)

test("so it does if the local one has ended before its handle went there", function()
  local inner = here.async(function() return { "inner" } end)
  local handle = here.async(function() return { inner } end)
  here.await(handle)
  here.await(inner)
  gives(values(true, "inner"), here.await(parallel.async(function()
    local _, list = handle:await()
    local _, got = list[1]:await()
    return got[1]
  end)))
end)

test("a result that has its own handle in it", function()
  local handle
  handle = here.async(function() return { handle } end)
  here.await(handle)
  gives(values(true, true), here.await(parallel.async(function()
    local _, list = handle:await()
    return list[1] == handle
  end)))
end)

test("what cannot be copied is told to those who await it elsewhere, and to them alone", function()
  local co = coroutine.create(function() end)
  local handle = here.async(function() return co end)
  local waiter = parallel.async(function() return handle:await() end)
  local ok, came, got = here.await(waiter)
  equal(ok, true)
  equal(came, false)
  contains(got, "cannot send the result (coroutine)")
  equal(select(2, here.await(handle)), co)
end)

test("an error of a local one arrives elsewhere", function()
  local handle = here.async(function() error({ code = 7 }) end)
  gives(values(true, false, 7), here.await(parallel.async(function()
    local ok, err = handle:await()
    return ok, err.code
  end)))
  local told = here.async(function() error("text") end)
  local _, message = here.await(parallel.async(function() return select(2, told:await()) end))
  contains(message, "local_mixed.lua:")
end)

test("a parallel goroutine cancels a local one", function()
  local handle = here.async(function() here.sleep(60000) end)
  here.yield()
  parallel.spawn(function() handle:cancel("from afar") end)
  local ok, err = here.await(handle)
  equal(ok, false)
  equal(tostring(err), "cancelled: from afar")
end)

test("locks, wait groups and shared tables are for both", function()
  local mutex, group, shared, count = here.mutex(), here.wait_group(), here.shared({ n = 0 }), 0
  local function add()
    mutex:lock()
    shared.n = shared.n + 1
    mutex:unlock()
    group:done()
  end
  group:add(40)
  parallel.spawn_many(20, add)
  here.spawn_many(20, function()
    count = count + 1
    add()
  end)
  equal(group:wait(20000), true)
  equal(shared.n, 40)
  equal(count, 20)
end)

test("wait_all waits for both", function()
  local done = parallel.atomic_int()
  parallel.spawn(function() parallel.sleep(2) done:add() end)
  here.spawn(function() here.sleep(2) done:add() end)
  equal(here.wait_all(20000), true)
  equal(done:load(), 2)
end)

test("a context's goroutines run where the context was made", function()
  local ran = {}
  local ctx = here.context():with_cancel()
  ctx:spawn(function() ran.here = true end):await()
  equal(ran.here, true)
  local ok, err = pcall(parallel.context().spawn, parallel.context(), function() ran = 1 end)
  equal(ok, false)
  contains(err, "ran")
end)

test("a pool's tasks run where the pool was made, whoever of the script submits them", function()
  local name, ran = fresh_name(), 0
  here.pool_create(name, { workers = 2 })
  assert(parallel.pool_submit(name, function() ran = ran + 1 end))
  assert(here.pool_submit(name, function() ran = ran + 1 end))
  parallel.pool_wait(name)
  equal(ran, 2)
  local ok, err = parallel.await(parallel.async(function() return parallel.pool_submit(name, print) end))
  equal(ok, false)
  contains(err, "goroutine.local starts goroutines in the state that has loaded it")
  parallel.pool_close(name)
  here.pool_create(name, { workers = 2 })
  parallel.pool_create(name, { workers = 2 })
  raises("'ran'", here.pool_submit, name, function() ran = ran + 1 end)
  parallel.pool_close(name)
end)

test("blocking runs in an isolate of its own", function()
  gives(values(true, 3), here.await(here.blocking(function(a, b) return a + b end, 1, 2)))
end)

test("in an isolate the module is there, and starts nothing", function()
  local ok, err = parallel.await(parallel.async(function()
    here.sleep(0.1)
    return here.async(print)
  end))
  equal(ok, false)
  contains(err, "goroutine.local starts goroutines in the state that has loaded it")
  ok, err = parallel.await(parallel.async(function() return require("goroutine.local").spawn(print) end))
  equal(ok, false)
  contains(err, "and not in an isolate")
end)

test("the functions of coroutine that are replaced can be captured by parallel goroutines", function()
  local resume, wrap = coroutine.resume, coroutine.wrap
  gives(values(true, true, 1, 2), here.await(parallel.async(function()
    local ok, first = resume(coroutine.create(function() return 1 end))
    return ok, first, wrap(function() return 2 end)()
  end)))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("10,000 messages between the flavours", function()
  local there, back, n = parallel.channel(64), parallel.channel(64), scaled(10000, 100)
  parallel.spawn(function() for value in there:iter() do back:send(value) end back:close() end)
  local sum = 0
  local reader = here.async(function() for value in back:iter() do sum = sum + value end end)
  here.spawn(function()
    for i = 1, n do there:send(i) end
    there:close()
  end)
  gives(values(true), here.await(reader))
  equal(2 * sum, n * (n + 1))
end)

test("a dump that a parallel goroutine asks for tells what the local ones wait for, and where", function()
  local gate = here.channel()
  local function inner() gate:receive() end
  local waiter = here.async(function() inner() end)
  waiter:name("the local one")
  parked(waiter)
  -- The script blocks, and so answers.
  local ok, text = here.await(parallel.async(function() return goroutine.dump() end))
  assert(ok, text)
  contains(text, "'the local one' (started at ")
  local state, stack = text:match("'the local one' %(started at [^\n]*%): ([^\n]*)\n(.*)")
  contains(state, "waiting in receive for ")
  contains(stack, "'inner'")
  gate:close()
  gives(values(true), waiter:await())
end)

finish()
