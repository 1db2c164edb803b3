-- spawn, async and await: what arrives, when, and for whom.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["each await gives a table of its own"] = "who awaits gets the very values, not copies",
  ["an error value that cannot cross still fails the goroutine"] = "every value can be an error",
  ["a result that cannot cross makes await give false and why"] = "every value can be a result",
  ["an error that cannot cross makes await give false and why"] = "every value can be an error",
})
local goroutine = require("goroutine")

local spawn, async, await = goroutine.spawn, goroutine.async, goroutine.await

everywhere("await gives true and what the function returned", function()
  gives(values(true, 42), await(async(function() return 42 end)))
  gives(values(true, "text"), await(spawn(function() return "text" end)))
end)

everywhere("a function that returns nothing gives only true", function()
  gives(values(true), await(async(function() end)))
end)

everywhere("nils among the values keep their places", function()
  gives(values(true, nil), await(async(function() return nil end)))
  gives(values(true, nil, false, nil, 4, nil), await(async(function() return nil, false, nil, 4, nil end)))
end)

everywhere("arguments arrive, nils included, also the last ones", function()
  local function count(...) return select("#", ...), ... end
  gives(values(true, 0), await(async(count)))
  gives(values(true, 1, nil), await(async(count, nil)))
  gives(values(true, 4, nil, 2, nil, nil), await(async(count, nil, 2, nil, nil)))
end)

everywhere("200 values arrive in order", function()
  local unpack = table.unpack or unpack
  local list = {}
  for i = 1, 200 do list[i] = i end
  local got = values(await(async(function(...) return ... end, unpack(list))))
  equal(got.n, 201)
  equal(got[1], true)
  for i = 1, 200 do equal(got[i + 1], i) end
end)

unless_lua("5.1 jit", "a call has some 8,000 values at most")
everywhere("100,000 arguments and 100,000 results", function()
  local list = {}
  for i = 1, 100000 do list[i] = i end
  local unpack = table.unpack or unpack
  gives(values(true, 100000, 100000), await(async(function(...) return select("#", ...), (select(-1, ...)) end, unpack(list))))
  local got = values(await(async(function(t) return (table.unpack or unpack)(t) end, list)))
  equal(got.n, 100001)
  equal(got[100001], 100000)
end)

everywhere("a handle may be awaited again, and gives the same", function()
  local handle = async(function() return 1, nil, "three" end)
  for _ = 1, 3 do
    gives(values(true, 1, nil, "three"), await(handle))
    gives(values(true, 1, nil, "three"), handle:await())
  end
end)

everywhere("each await gives a table of its own", function()
  local handle = async(function() return { 1 } end)
  local _, first = await(handle)
  first[1] = "changed"
  local _, second = await(handle)
  equal(second[1], 1)
end)

everywhere("several goroutines may await the same handle", function()
  local gate = goroutine.channel()
  local handle = async(function() return (gate:receive()) end)
  local waiting = {}
  for i = 1, 20 do
    waiting[i] = async(function() return select(2, await(handle)) end)
  end
  for i = 1, 20 do parked(waiting[i]) end
  gate:send("for all")
  for i = 1, 20 do gives(values(true, "for all"), await(waiting[i])) end
end)

everywhere("an error comes as false, the error, and its traceback", function()
  local ok, err, traceback = await(async(function() error("broken") end))
  equal(ok, false)
  contains(err, "broken")
  equal(traceback:sub(1, 15), "stack traceback")
end)

everywhere("an error of ours names the file and the line", function()
  local ok, err = await(async(function() error("broken") end))
  equal(ok, false)
  equal(err:match("awaiting%.lua:%d+: (.*)$"), "broken")
end)

everywhere("the traceback names the functions in which the error was raised", function()
  local function inner() error("deep") end
  local function outer()
    inner()
    return 1
  end
  local ok, _, traceback = await(async(outer))
  equal(ok, false)
  contains(traceback, "awaiting.lua:")
  contains(traceback, "'inner'")
end)

everywhere("an error of any type arrives whole", function()
  local function fail(err) error(err, 0) end
  for _, err in ipairs({ "text", "", 7, 2.5, true, false }) do
    local ok, got, traceback = await(async(fail, err))
    equal(ok, false)
    equal(got, err)
    equal(traceback:sub(1, 15), "stack traceback")
  end
end)

unless_lua("5.5", "`error(nil)` raises the text `<no error object>`")
everywhere("nil as an error is still an error", function()
  local got = values(await(async(function() error(nil) end)))
  equal(got.n, 3)
  equal(got[1], false)
  equal(got[2], nil)
end)

everywhere("false as an error is still an error", function()
  local got = values(await(async(function() error(false) end)))
  equal(got[1], false)
  equal(got[2], false)
end)

everywhere("a table as an error arrives with its metatable", function()
  local meta = { __tostring = function(self) return "code " .. self.code end }
  local ok, err = await(async(function() error(setmetatable({ code = 404, list = { 1, 2 } }, meta)) end))
  equal(ok, false)
  equal(err.code, 404)
  same(err.list, { 1, 2 })
  equal(tostring(err), "code 404")
end)

everywhere("a channel as an error is the same channel", function()
  local channel = goroutine.channel()
  local ok, err = await(async(function() error(channel) end))
  equal(ok, false)
  equal(err, channel)
end)

everywhere("an error value that cannot cross still fails the goroutine", function()
  local ok, err = await(async(function() error({ inside = coroutine.create(print) }) end))
  equal(ok, false)
  equal(type(err), "string")
end)

everywhere("an error that cannot even be told as text fails only its goroutine", function()
  local function unspeakable() return setmetatable({}, { __tostring = function() error("no text") end }) end
  local ok, err = await(async(function() error(unspeakable()) end))
  equal(ok, false)
  equal(type(err), "table")
  ok, err = await(async(function() error(setmetatable({}, { __tostring = function() return 5 end })) end))
  equal(ok, false)
  equal(type(err), "table")
  gives(values(true, "alive"), await(async(function() return "alive" end)))
end)

everywhere("an error of the language is a text with the line", function()
  local ok, err = await(async(function()
    local t = nil
    return t.field
  end))
  equal(ok, false)
  contains(err, "awaiting.lua:")
  contains(err, "attempt to index ")
end)

everywhere("an error in a goroutine leaves its neighbours alone", function()
  local handles = {}
  for i = 1, 200 do
    handles[i] = async(function()
      goroutine.yield()
      if i % 2 == 0 then error("even", 0) end
      return i
    end)
  end
  for i = 1, 200 do
    if i % 2 == 0 then
      local ok, err = await(handles[i])
      gives(values(false, "even"), ok, err)
    else
      gives(values(true, i), await(handles[i]))
    end
  end
end)

everywhere("running out of stack fails only that goroutine", function()
  local function endless(n) return 1 + endless(n + 1) end
  local ok, err = await(async(endless, 1))
  equal(ok, false)
  -- Where the stack ends in the very call of the error handler, Lua says so instead.
  if not tostring(err):find("error in error handling", 1, true) then
    contains(err, "stack overflow")
  end
  gives(values(true, "alive"), await(async(function() return "alive" end)))
end)

everywhere("a result that cannot cross makes await give false and why", function()
  local ok, err = await(async(function() return { log = { file = io.tmpfile() } } end))
  equal(ok, false)
  contains(err, "cannot send")
  assert(err:find("FILE*", 1, true) or err:find("(userdata)", 1, true), err)
  contains(err, "log.file")
  ok, err = await(async(function() return 1, coroutine.create(print) end))
  equal(ok, false)
  contains(err, "coroutine")
end)

everywhere("a wait that ends by its limit says so, and the goroutine goes on", function()
  local gate = goroutine.channel()
  local handle = async(function() return (gate:receive()) end)
  local took, ok, why, more = timed(await, handle, 30)
  equal(ok, false)
  equal(why, "timeout exceeded")
  equal(more, nil)
  assert(took >= 30, "it waited only " .. took .. " ms")
  gives(values(false, "timeout exceeded"), await(handle, 0))
  gives(values(false, "timeout exceeded"), handle:await(1))
  equal(handle:done(), false)
  gate:send("late")
  gives(values(true, "late"), await(handle))
end)

everywhere("a limit that is negative is zero", function()
  local gate = goroutine.channel()
  local handle = async(function() return (gate:receive()) end)
  gives(values(false, "timeout exceeded"), await(handle, -5))
  gate:send(true)
  gives(values(true, true), await(handle, 1e300))
  gives(values(true, true), await(handle, -5))
end)

everywhere("an absent, nil or endless limit waits for the end", function()
  local function echo(...) return ... end
  gives(values(true, 1), await(async(echo, 1), nil))
  gives(values(true, 2), await(async(echo, 2), math.huge))
  gives(values(true, 3), async(echo, 3):await(nil))
end)

everywhere("a goroutine starts goroutines, and so on", function()
  local function sum(n)
    if n == 0 then return 0 end
    local ok, below = goroutine.await(goroutine.async(sum, n - 1))
    assert(ok, below)
    return n + below
  end
  gives(values(true, 820), await(async(sum, 40)))
end)

everywhere("two goroutines that await each other's channel meet", function()
  local ping, pong = goroutine.channel(), goroutine.channel()
  local a = async(function()
    for i = 1, 100 do
      ping:send(i)
      equal(pong:receive(), i)
    end
    return "a"
  end)
  local b = async(function()
    for _ = 1, 100 do pong:send((ping:receive())) end
    return "b"
  end)
  gives(values(true, "a"), await(a))
  gives(values(true, "b"), await(b))
end)

everywhere("a goroutine cannot await itself", function()
  local ok, err = await(async(function() return goroutine.await(goroutine.current()) end))
  equal(ok, false)
  contains(err, "bad argument #1 to 'await'")
end)

everywhere("a handle arrives in another goroutine and can be awaited there", function()
  local handle = async(function() return "from afar" end)
  gives(values(true, "from afar"), await(async(function(h) return select(2, h:await()) end, handle)))
end)

everywhere("a goroutine may return the handle of one that still runs", function()
  local gate = goroutine.channel()
  local ok, inner = await(async(function() return goroutine.async(function() return (gate:receive()) end) end))
  equal(ok, true)
  gate:send("inside")
  gives(values(true, "inside"), await(inner))
end)

everywhere("spawn_many gives each its number and the arguments", function()
  local handles = goroutine.spawn_many(20, function(id, a, b) return id, a, b end, "a", nil)
  equal(#handles, 20)
  for id, handle in ipairs(handles) do
    gives(values(true, id, "a", nil), await(handle))
  end
end)

everywhere("spawn_many of none is an empty list", function()
  same(goroutine.spawn_many(0, function() end), {})
end)

everywhere("sleep sleeps at least as long, and gives nothing", function()
  for _, ms in ipairs({ 0, 1, 12.5, 30 }) do
    local got = values(timed(goroutine.sleep, ms))
    equal(got.n, 1)
    assert(got[1] >= ms, "slept " .. got[1] .. " ms of " .. ms)
  end
  local took = timed(goroutine.sleep, -1000)
  assert(took < 1000, took)
end)

test("goroutines sleep at the same time", function()
  local took = timed(function()
    goroutine.await_all(goroutine.spawn_many(500, function() goroutine.sleep(100) end))
  end)
  assert(took >= 100 and took < 10000, took)
end)

everywhere("yield gives nothing and lets others run", function()
  gives(values(), goroutine.yield())
  gives(values(true, "ran"), await(async(function()
    for _ = 1, 1000 do goroutine.yield() end
    return "ran"
  end)))
end)

everywhere("now grows, in milliseconds with fractions", function()
  local before = goroutine.now()
  local ok, inside = await(async(function() return goroutine.now() end))
  local after = goroutine.now()
  equal(ok, true)
  assert(before <= inside and inside <= after, "not in order: " .. before .. ", " .. inside .. ", " .. after)
  equal(math.type and math.type(before) or "float", "float")
end)

test("goroutines that only yield leave room for others, however many they are", function()
  local over = goroutine.atomic_int()
  local spinning = goroutine.spawn_many(32, function()
    while over:load() == 0 do goroutine.yield() end
    return "over"
  end)
  gives(values(true), await(async(function() over:store(1) end)))
  for _, handle in ipairs(spinning) do gives(values(true, "over"), await(handle)) end
end)

test("a goroutine's children go on when it has ended", function()
  local gate = goroutine.channel()
  local ok, child = await(async(function()
    return goroutine.spawn(function() return (gate:receive()) end)
  end))
  equal(ok, true)
  goroutine.await_all(goroutine.spawn_many(50, function() end))
  gate:send("still here")
  gives(values(true, "still here"), await(child))
end)

test("backend and _VERSION are texts, the same in goroutines", function()
  assert(goroutine.backend():match("^%a[%w_-]*$"), goroutine.backend())
  assert(goroutine._VERSION:match("^%d+%.%d+%.%d+"), goroutine._VERSION)
  gives(values(true, goroutine.backend(), goroutine._VERSION), await(async(function()
    return goroutine.backend(), goroutine._VERSION
  end)))
end)

test("10,000 goroutines wait at once, and are woken by one call", function()
  local gate, woken = goroutine.channel(), goroutine.atomic_int()
  local handles = goroutine.spawn_many(10000, function()
    local _, ok = gate:receive()
    if not ok then woken:add() end
  end)
  for _, handle in ipairs(handles) do parked(handle) end
  gate:close()
  gives(values(true), goroutine.wait_all(30000))
  equal(woken:load(), 10000)
end)

test("10,000 goroutines all run, each once", function()
  local count = goroutine.atomic_int()
  local handles = goroutine.spawn_many(10000, function(id)
    goroutine.yield()
    count:add(id)
    return id
  end)
  for id, handle in ipairs(handles) do
    local ok, value = await(handle)
    if not ok or value ~= id then error("goroutine " .. id .. " gave " .. tostring(value)) end
  end
  equal(count:load(), 50005000)
end)

everywhere("an error that cannot cross makes await give false and why", function()
  local ok, err = await(async(function() error({ code = 404, file = io.tmpfile() }) end))
  equal(ok, false)
  contains(err, "cannot send the error.file")
  assert(err:find("FILE*", 1, true) or err:find("(userdata)", 1, true), err)
end)

finish()
