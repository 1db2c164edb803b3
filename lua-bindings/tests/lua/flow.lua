-- pipeline, fan_out and fan_in: goroutines between channels.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["what cannot be sent to a stage is refused before anything runs"] = "every function can be a stage",
})
local goroutine = require("goroutine")

local channel, pipeline = goroutine.channel, goroutine.pipeline

-- A channel that gives 1 to n and is closed.
function counting(n, capacity)
  local ch = goroutine.channel(capacity)
  goroutine.spawn(function()
    for i = 1, n do if not ch:send(i) then return end end
    ch:close()
  end)
  return ch
end

local function all(ch)
  local list = {}
  ch:range(function(v) list[#list + 1] = v end)
  return list
end

everywhere("values go through all stages, in order where there is one worker", function()
  local out, errors = pipeline(counting(100), {
    { fn = function(n) return n * 2 end },
    { workers = 1, fn = function(n) return "value " .. n end, capacity = 0 },
  })
  local got = all(out)
  equal(#got, 100)
  for i = 1, 100 do equal(got[i], "value " .. 2 * i) end
  same(all(errors), {})
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("several workers of a stage lose nothing and double nothing", function()
  local out = pipeline(counting(300, 5), {
    { workers = 4, fn = function(n) if n % 7 == 0 then goroutine.yield() end return n end },
    { workers = 3, fn = function(n) return n end, capacity = 3 },
  })
  local seen, count = {}, 0
  for n in out:iter() do
    assert(not seen[n], n)
    seen[n], count = true, count + 1
  end
  equal(count, 300)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("a stage may block, and keep state of its own in each worker", function()
  local calls = 0
  local function count() calls = calls + 1 return calls end
  local out = pipeline(counting(5), { { fn = function(n) goroutine.sleep(1) return count() * 10 + n end } })
  same(all(out), { 11, 22, 33, 44, 55 })
end)

everywhere("nil and false are results, no result at all drops the value", function()
  local out = pipeline(counting(4), { { fn = function(n)
    if n == 1 then return nil elseif n == 2 then return false elseif n == 3 then return end
    return n, "only the first"
  end } })
  gives(values(nil, true), out:receive())
  gives(values(false, true), out:receive())
  gives(values(4, true), out:receive())
  gives(values(nil, false), out:receive())
end)

everywhere("an error drops its value, and goes to the errors whole", function()
  local out, errors = pipeline(counting(5), {
    { fn = function(n) if n == 2 then error({ code = n }) end return n end },
    { workers = 2, fn = function(n) if n == 4 then error("four", 0) end return n end },
  })
  local got = all(out)
  table.sort(got)
  same(got, { 1, 3, 5 })
  local first, second = errors:receive(), errors:receive()
  if first == "four" then first, second = second, first end
  equal(first.code, 2)
  equal(second, "four")
  gives(values(nil, false), errors:receive())
end)

everywhere("errors do not hold it up: the last 1024 are kept", function()
  local out, errors = pipeline(counting(1500), { { fn = function(n) error(n, 0) end } })
  same(all(out), {})
  local kept = all(errors)
  equal(#kept, 1024)
  equal(kept[1], 1500 - 1023)
  equal(kept[1024], 1500)
end)

everywhere("a result that cannot travel is an error of its stage", function()
  local out, errors = pipeline(counting(2), { { fn = function(n) if n == 1 then return coroutine.create(function() end) end return n end } })
  same(all(out), { 2 })
  contains(errors:receive(), "coroutine")
end)

everywhere("a reader that closes early ends it, and the senders hear of it", function()
  local input = channel()
  local out = pipeline(input, { { fn = function(n) return n end }, { fn = function(n) return n end, capacity = 1 } })
  local sender = goroutine.async(function()
    local sent = 0
    while input:send(sent) do sent = sent + 1 end
    return sent
  end)
  gives(values(0, true), out:receive())
  out:close()
  local ok, sent = sender:await(30000)
  equal(ok, true)
  assert(sent >= 1 and sent < 40, sent)
  equal(input:is_closed(), true)
end)

test("what cannot be sent to a stage is refused before anything runs", function()
  local input, co = channel(1), coroutine.create(function() end)
  input:send(1)
  raises("upvalue 'co'", pipeline, input, { { fn = function(v) return v end }, { fn = function() return co end } })
  gives(values(1, true), input:receive())
  equal(input:is_closed(), false)
  gives(values(true), goroutine.wait_all(30000))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("cancelling the workers of a stage closes its channels", function()
  local input, started = channel(), channel(1)
  local out, errors = pipeline(input, { { fn = function(v) started:send(goroutine.current()) goroutine.sleep(1e9) return v end } })
  input:send(1)
  started:receive():cancel()
  gives(values(nil, false), out:receive(30000))
  gives(values(nil, false), errors:receive(30000))
  equal(input:is_closed(), true)
end)

everywhere("fan_out gives every value to every channel", function()
  local outs = goroutine.fan_out(counting(50), 3)
  equal(#outs, 3)
  local lists = {}
  for i = 1, 3 do
    lists[i] = goroutine.async(all, outs[i])
  end
  for _, result in ipairs(goroutine.await_all(lists)) do
    local list = result.values[1]
    equal(#list, 50)
    for i = 1, 50 do equal(list[i], i) end
  end
end)

everywhere("fan_out may be read in any order, and tables arrive as copies of their own", function()
  local input = channel(2)
  input:send({ "shared" })
  input:close()
  local outs = goroutine.fan_out(input, 2)
  local b, a = outs[2]:receive(), outs[1]:receive()
  equal(a[1], "shared")
  equal(b[1], "shared")
  assert(a ~= b)
  gives(values(nil, false), outs[1]:receive())
  gives(values(nil, false), outs[2]:receive())
end)

everywhere("a channel of fan_out that is closed early leaves the others theirs", function()
  local outs = goroutine.fan_out(counting(10), 2)
  outs[1]:close()
  equal(#all(outs[2]), 10)
end)

everywhere("fan_in gives the values of all, each input's in order", function()
  local inputs = { counting(40), counting(40, 3), counting(0) }
  local sum, last = 0, 0
  goroutine.fan_in(inputs):range(function(v) sum = sum + v end)
  equal(sum, 2 * 820)
  goroutine.fan_in({ counting(30, 2) }):range(function(v)
    equal(v, last + 1)
    last = v
  end)
  equal(last, 30)
  gives(values(nil, false), goroutine.fan_in({}):receive())
end)

everywhere("fan_in that is closed early closes its inputs", function()
  local a, b = channel(), channel()
  local out = goroutine.fan_in({ a, b:receiver() })
  a:send(1)
  gives(values(1, true), out:receive())
  out:close()
  a:send(2)
  eventually("the inputs are closed", function() return a:is_closed() and b:is_closed() end)
end)

everywhere("views that cannot receive are refused", function()
  local tx = channel():sender()
  for _, f in ipairs({
    function() return pipeline(tx, { { fn = print } }) end,
    function() return goroutine.fan_out(tx, 2) end,
    function() return goroutine.fan_in({ channel(), tx }) end,
  }) do
    raises("cannot receive from send-only channel", f)
  end
end)

test("wrong stages say which", function()
  local input = channel()
  raises("bad argument #2 to 'pipeline' (stage 2: 'fn': function expected, got nil)", pipeline, input, { { fn = print }, {} })
  raises("did you mean 'workers'?", pipeline, input, { { fn = print, worker = 1 } })
  raises("(stage 1: 'workers': whole number from 1 to", pipeline, input, { { fn = print, workers = 1.5 } })
  raises("list of at least one stage expected", pipeline, input, {})
end)

everywhere("a dump says by the names of the module what they wait in", function()
  local apart, together = goroutine.channel(), goroutine.channel()
  goroutine.fan_out(apart, 2)
  goroutine.fan_in({ together })
  eventually("both wait", function()
    local text = goroutine.dump()
    return text:find("waiting in fan_out for ", 1, true) and text:find("waiting in fan_in for ", 1, true)
  end)
  apart:close()
  together:close()
end)

finish()
