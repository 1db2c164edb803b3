-- A user's own coroutines inside goroutines.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

everywhere("a generator", function()
  local function count(n)
    return coroutine.wrap(function()
      for i = 1, n do coroutine.yield(i) end
    end)
  end
  local sum = 0
  for i in count(100) do sum = sum + i end
  equal(sum, 5050)
end)

everywhere("create, resume, yield and status", function()
  local co = coroutine.create(function(a, b)
    local c = coroutine.yield(a + b)
    local d, e = coroutine.yield(c * 2)
    return d, e, nil
  end)
  equal(coroutine.status(co), "suspended")
  gives(values(true, 3), coroutine.resume(co, 1, 2))
  gives(values(true, 20), coroutine.resume(co, 10))
  gives(values(true, "d", nil, nil), coroutine.resume(co, "d", nil))
  equal(coroutine.status(co), "dead")
  local ok, err = coroutine.resume(co)
  equal(ok, false)
  contains(err, "dead coroutine")
end)

everywhere("values pass both ways, nils included", function()
  local co = coroutine.create(function(...)
    local got = values(...)
    while true do got = values(coroutine.yield((table.unpack or unpack)(got, 1, got.n))) end
  end)
  gives(values(true), coroutine.resume(co))
  gives(values(true, nil), coroutine.resume(co, nil))
  gives(values(true, nil, 2, nil), coroutine.resume(co, nil, 2, nil))
  gives(values(true), coroutine.resume(co))
end)

everywhere("a blocking call in a nested coroutine is never seen by resume", function()
  local channel = goroutine.channel()
  goroutine.spawn(function()
    for i = 1, 5 do
      goroutine.sleep(1)
      channel:send(i)
    end
  end)
  local co = coroutine.create(function()
    for _ = 1, 5 do
      goroutine.sleep(1)
      coroutine.yield((channel:receive()))
      goroutine.yield()
    end
    return "end"
  end)
  for i = 1, 5 do gives(values(true, i), coroutine.resume(co)) end
  gives(values(true, "end"), coroutine.resume(co))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("blocking three coroutines deep", function()
  local results = {}
  local outer = coroutine.wrap(function()
    local middle = coroutine.wrap(function()
      local inner = coroutine.wrap(function()
        for i = 1, 3 do
          goroutine.sleep(1)
          coroutine.yield(i)
        end
      end)
      for i in inner do
        goroutine.yield()
        coroutine.yield(i * 10)
      end
    end)
    for i in middle do coroutine.yield(i + 1) end
  end)
  for i in outer do results[#results + 1] = i end
  same(results, { 11, 21, 31 })
end)

-- As copas has it: tasks are coroutines that yield to one loop, which resumes those that are ready and sleeps while none is.
unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("a scheduler of the script's own", function()
  local ready, sleeping, trace = {}, {}, {}
  local scheduler = {}

  function scheduler.add(task, ...)
    ready[#ready + 1] = { co = coroutine.create(task), arguments = values(...) }
  end

  function scheduler.sleep(ms) coroutine.yield("sleep", ms) end

  function scheduler.lock(mutex)
    while mutex.taken do coroutine.yield("sleep", 0.2) end
    mutex.taken = true
  end

  local function step(one)
    local ok, what, ms = coroutine.resume(one.co, (table.unpack or unpack)(one.arguments, 1, one.arguments.n))
    one.arguments = values()
    if not ok then
      trace[#trace + 1] = "failed: " .. tostring(what):gsub("^.*: ", "")
    elseif what == "sleep" then
      sleeping[#sleeping + 1] = { one = one, at = goroutine.now() + ms }
    end
  end

  function scheduler.loop()
    while #ready > 0 or #sleeping > 0 do
      if #ready == 0 then
        table.sort(sleeping, function(a, b) return a.at < b.at end)
        -- The loop's only wait; it may just as well be that of a goroutine.
        goroutine.sleep(math.max(0, sleeping[1].at - goroutine.now()))
        ready[1] = table.remove(sleeping, 1).one
      end
      step(table.remove(ready, 1))
    end
  end

  -- Sockets are channels here, on which goroutines answer; a task that waits at one holds up its own scheduler alone.
  local asked, answers = goroutine.channel(4), goroutine.channel(4)
  local served = async(function() for n in asked:iter() do answers:send(n * n) end end)
  local mutex, sum = { taken = false }, 0
  for i = 1, 20 do
    scheduler.add(function(n)
      scheduler.lock(mutex)
      asked:send(n)
      scheduler.sleep(n % 3)
      sum = sum + answers:receive()
      mutex.taken = false
      if n == 7 then error("seven") end
      -- A generator inside a task: its yields are its own.
      for word in coroutine.wrap(function() for w in ("a b"):gmatch("%a") do coroutine.yield(w) end end) do
        if n == 1 then trace[#trace + 1] = word end
      end
    end, i)
  end
  scheduler.add(function()
    scheduler.sleep(1)
    assert(coroutine.isyieldable == nil or coroutine.isyieldable())
    trace[#trace + 1] = coroutine.status(coroutine.running())
  end)
  scheduler.loop()
  asked:close()
  served:await()
  equal(sum, 2870)
  table.sort(trace)
  same(trace, { "a", "b", "failed: seven", "running" })
end)

everywhere("a parser that is fed piece by piece", function()
  local parser = coroutine.wrap(function(piece)
    local words, text = {}, piece
    while true do
      local first, last = text:find("%s+")
      if first then
        words[#words + 1], text = text:sub(1, first - 1), text:sub(last + 1)
      else
        local more = coroutine.yield(#words)
        if not more then
          words[#words + 1] = text
          return words
        end
        text = text .. more
      end
    end
  end)
  local pieces = goroutine.channel(4)
  for _, piece in ipairs({ "one tw", "o  thr", "ee fo", "ur" }) do pieces:send(piece) end
  pieces:close()
  local counts = {}
  while true do
    local piece, open = pieces:receive()
    if not open then break end
    counts[#counts + 1] = parser(piece)
  end
  same(counts, { 1, 2, 3, 3 })
  same(parser(nil), { "one", "two", "three", "four" })
end)

test("while a coroutine of a goroutine waits, its neighbours run", function()
  local gate, turns = goroutine.channel(), goroutine.atomic_int()
  local waiting = async(function()
    return coroutine.wrap(function() return (gate:receive()) end)()
  end)
  parked(waiting)
  goroutine.await_all(goroutine.spawn_many(100, function() turns:add() end))
  equal(turns:load(), 100)
  gate:send("through")
  gives(values(true, "through"), await(waiting))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("many goroutines with coroutines that wait do not mix up", function()
  local handles = goroutine.spawn_many(100, function(id)
    local list = {}
    local generator = coroutine.wrap(function()
      for i = 1, 5 do
        goroutine.yield()
        coroutine.yield(id * 1000 + i)
      end
    end)
    for value in generator do
      list[#list + 1] = value
      goroutine.yield()
    end
    return list
  end)
  for id, handle in ipairs(handles) do
    local ok, list = await(handle)
    assert(ok, list)
    same(list, { id * 1000 + 1, id * 1000 + 2, id * 1000 + 3, id * 1000 + 4, id * 1000 + 5 })
  end
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("errors go through resume and wrap as ever", function()
  local co = coroutine.create(function() error({ code = 7 }) end)
  local ok, err = coroutine.resume(co)
  equal(ok, false)
  equal(err.code, 7)
  equal(coroutine.status(co), "dead")
  raises("broken", coroutine.wrap(function() error("broken") end))
  raises("after a wait", coroutine.wrap(function()
    goroutine.sleep(1)
    error("after a wait")
  end))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("pcall across a yield and across a wait", function()
  local co = coroutine.wrap(function()
    local ok, err = pcall(function()
      coroutine.yield("yielded")
      goroutine.sleep(1)
      error("caught", 0)
    end)
    return ok, err
  end)
  equal(co(), "yielded")
  gives(values(false, "caught"), co())
end)

everywhere("metamethods, sort and gsub may call what does not wait", function()
  local object = setmetatable({}, { __index = function(_, key) return key .. "?" end })
  equal(object.what, "what?")
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b) return a > b end)
  same(list, { 3, 2, 1 })
  equal((("abc"):gsub("%a", function(c) return c:upper() end)), "ABC")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("metamethods and iterators may wait", function()
  gives(values(true, "waited for x", 6), await(async(function()
    local object = setmetatable({}, { __index = function(_, key)
      goroutine.sleep(1)
      return "waited for " .. key
    end })
    local sum = 0
    for _, value in (function(t, i)
      goroutine.yield()
      i = i + 1
      if i <= 3 then return i, i end
    end), nil, 0 do
      sum = sum + value
    end
    return object.x, sum
  end)))
end)

test("a wait across a C function that cannot be left is an error, not a crash", function()
  local ok, err = await(async(function()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      goroutine.sleep(1)
      return a < b
    end)
    return list
  end))
  if ok then
    same(err, { 1, 2, 3 })
  else
    contains(err, "C-call boundary")
  end
  gives(values(true, "alive"), await(async(function() return "alive" end)))
end)

test("isyieldable is false in the goroutine itself, true in a coroutine", function()
  if coroutine.isyieldable then
    gives(values(true, false, true, false), await(async(function()
      return coroutine.isyieldable(), coroutine.wrap(function() return coroutine.isyieldable() end)(), coroutine.isyieldable()
    end)))
  end
end)

test("running gives the coroutine, and whether it is the main one", function()
  local ok, kind, main, inner_kind, inner_main, differ, again = await(async(function()
    local co, main = coroutine.running()
    local inner, inner_main = coroutine.wrap(function() return coroutine.running() end)()
    goroutine.yield()
    return type(co), main, type(inner), inner_main, co ~= inner, co == coroutine.running()
  end))
  assert(ok, kind)
  equal(kind, "thread")
  equal(inner_kind, "thread")
  equal(differ, true)
  equal(again, true)
  if math.type then
    equal(main, true)
    equal(inner_main, false)
  end
end)

test("running differs from goroutine to goroutine", function()
  local handles = goroutine.spawn_many(30, function()
    local co = coroutine.running()
    for _ = 1, 3 do
      goroutine.yield()
      if co ~= coroutine.running() then return false end
    end
    return coroutine.status(co)
  end)
  for _, handle in ipairs(handles) do gives(values(true, "running"), await(handle)) end
end)

test("yield outside a coroutine raises, as in a main program", function()
  local ok, err = await(async(function() coroutine.yield(1) end))
  equal(ok, false)
  contains(err, "attempt to yield from outside a coroutine")
  gives(values(true, false, "alive"), await(async(function()
    return (pcall(coroutine.yield, 1)), "alive"
  end)))
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("close closes a suspended coroutine, and its variables", function()
  gives(values(true, true, "closed", "dead"), await(async(function()
    local closed
    local co = coroutine.create(compiled([[
      local set = ...
      local guard <close> = setmetatable({}, { __close = function() set("closed") end })
      coroutine.yield()
    ]]))
    coroutine.resume(co, function(value) closed = value end)
    return coroutine.close(co), closed, coroutine.status(co)
  end)))
end)

everywhere("wrap over a dead coroutine raises", function()
  local f = coroutine.wrap(function() end)
  f()
  raises("dead coroutine", f)
end)

everywhere("wrong calls raise what they raise elsewhere", function()
  raises("bad argument #1", coroutine.resume, 5)
  raises("bad argument #1", coroutine.create, "text")
  raises("bad argument #1", coroutine.wrap, nil)
end)

everywhere("a coroutine resumes another that resumes the first: refused as ever", function()
  local a
  a = coroutine.create(function()
    local b = coroutine.create(function() return coroutine.resume(a) end)
    return select(2, coroutine.resume(b))
  end)
  local ok, inner_ok = coroutine.resume(a)
  equal(ok, true)
  equal(inner_ok, false)
end)

everywhere("a producer and a consumer of coroutines over a channel", function()
  local channel = goroutine.channel(3)
  local producer = coroutine.create(function()
    for i = 1, 30 do
      channel:send(i)
      if i % 3 == 0 then coroutine.yield() end
    end
    channel:close()
  end)
  local sum = 0
  while coroutine.status(producer) ~= "dead" do
    assert(coroutine.resume(producer))
    while channel:len() > 0 do sum = sum + channel:receive() end
  end
  equal(sum, 465)
end)

everywhere("a deep recursion of coroutines", function()
  local function nest(n)
    if n == 0 then
      goroutine.sleep(1)
      return 0
    end
    return 1 + coroutine.wrap(nest)(n - 1)
  end
  equal(nest(50), 50)
end)

unless_lua("jit", "hooks do not see compiled loops")
test("a hook of the script's own is called as before", function()
  local ok, lines, hooked = goroutine.async(function()
    local count = 0
    local function hook() count = count + 1 end
    debug.sethook(hook, "l")
    local until_then = goroutine.now() + 30
    while goroutine.now() < until_then do
      count = count + 0
    end
    -- At this very moment it may be interrupted.
    local still = false
    for _ = 1, 1000 do still = still or debug.gethook() == hook end
    debug.sethook()
    return count, still
  end):await()
  equal(ok, true)
  assert(lines > 10, lines)
  equal(hooked, true)
end)

everywhere("a coroutine that resumes itself is told that it runs", function()
  local ok, err, more = coroutine.wrap(function()
    return coroutine.resume((coroutine.running()))
  end)()
  gives(values(false, "string", nil), ok, type(err), more)
  contains(err, "cannot resume")
end)

finish()
