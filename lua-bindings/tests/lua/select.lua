-- select and select_timeout.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local channel, async, await = goroutine.channel, goroutine.async, goroutine.await

local function filled(...)
  local ch = channel(select("#", ...))
  for i = 1, select("#", ...) do ch:send((select(i, ...))) end
  return ch
end

everywhere("the case that is ready happens, and its handler's results follow the index", function()
  local empty, full = channel(1), filled("v")
  gives(values(2, "handled", "v", true, nil), goroutine.select({
    { channel = empty, receive = true, handler = function() error("not ready") end },
    { channel = full, receive = true, handler = function(v, ok) return "handled", v, ok, nil end },
  }))
  gives(values(1), goroutine.select({ { channel = empty, send = 5 } }))
  gives(values(1), goroutine.select({ { channel = empty, receive = true } }))
  gives(values(1), goroutine.select({ { default = true } }))
  gives(values(1, nil), goroutine.select({ { default = true, handler = function() return nil end } }))
end)

everywhere("nil and false are received and sent like others", function()
  local ch = filled(nil, false)
  local function got(...) return ... end
  gives(values(1, nil, true), goroutine.select({ { channel = ch, receive = true, handler = got } }))
  gives(values(1, false, true), goroutine.select({ { channel = ch, op = "receive", handler = got } }))
  goroutine.select({ { channel = ch, op = "send" } })
  goroutine.select({ { channel = ch, send = false } })
  gives(values(nil, true), ch:receive())
  gives(values(false, true), ch:receive())
end)

everywhere("a closed channel is ready to receive nil, false, after what it holds", function()
  local ch = filled(1)
  ch:close()
  local cases = { { channel = ch, receive = true, handler = function(...) return ... end }, { channel = channel(), receive = true } }
  gives(values(1, 1, true), goroutine.select(cases))
  gives(values(1, nil, false), goroutine.select(cases))
  gives(values(1, nil, false), goroutine.select(cases))
end)

everywhere("sending on a closed channel happens, and the handler is told", function()
  local ch = channel(1)
  ch:close()
  gives(values(1, false, "send on closed channel"), goroutine.select({ { channel = ch, send = 1, handler = function(...) return ... end } }))
  local sent = channel(1)
  gives(values(1, 0), goroutine.select({ { channel = sent, send = 1, handler = function(...) return select("#", ...) end } }))
end)

everywhere("without a default it waits, and is woken by what happens first", function()
  local a, b = channel(), channel()
  local sender = async(function() b:send("came") end)
  local function got(...) return ... end
  gives(values(2, "came", true), goroutine.select({
    { channel = a, receive = true, handler = got }, { channel = b, receive = true, handler = got },
  }))
  gives(values(true), sender:await())
  local receiver = async(function() return a:receive() end)
  gives(values(2), goroutine.select({ { channel = b, receive = true }, { channel = a, send = "there" } }))
  gives(values(true, "there", true), receiver:await())
  local closer = async(function() a:close() end)
  gives(values(1, nil, false), goroutine.select({ { channel = a, receive = true, handler = got } }))
  closer:await()
end)

everywhere("a case that loses has taken and sent nothing", function()
  local full, other = filled(1, 2, 3), channel(3)
  local counts = { 0, 0 }
  for _ = 1, 3 do
    local index = goroutine.select({ { channel = full, receive = true }, { channel = other, send = "x" } })
    counts[index] = counts[index] + 1
  end
  equal(full:len(), 3 - counts[1])
  equal(other:len(), counts[2])
end)

everywhere("each of those that are ready has its turn", function()
  local a, b, counts = filled("a"), filled("b"), { 0, 0, 0 }
  for _ = 1, 600 do
    local index = goroutine.select({
      { channel = a, receive = true, handler = function(v) a:send(v) end },
      { channel = b, receive = true, handler = function(v) b:send(v) end },
      { after = 0 },
    })
    counts[index] = counts[index] + 1
  end
  for i = 1, 3 do assert(counts[i] > 120, i .. " had " .. counts[i] .. " of 600") end
end)

everywhere("the default happens only where nothing is ready", function()
  local ch = filled(1)
  local cases = { { default = true }, { channel = ch, receive = true } }
  gives(values(2), goroutine.select(cases))
  gives(values(1), goroutine.select(cases))
end)

everywhere("the end of a goroutine is a case", function()
  local never = channel()
  local function got(...) return ... end
  local gate = channel()
  local h = async(function() gate:receive() return "a", nil, "c" end)
  async(function() gate:send(true) end)
  gives(values(2, true, "a", nil, "c"), goroutine.select({ { channel = never, receive = true }, { handle = h, handler = got } }))
  gives(values(1, true, "a", nil, "c"), goroutine.select({ { handle = h, handler = got } }))
  local failing = async(function() error("no", 0) end)
  local index, ok, err, traceback = goroutine.select({ { handle = failing, handler = got } })
  gives(values(1, false, "no", "string"), index, ok, err, type(traceback))
end)

everywhere("the end of a context is a case", function()
  local never = channel()
  local function got(...) return select("#", ...), ... end
  local ctx, cancel = goroutine.context()
  local h = async(function(ctx) goroutine.sleep(5) ctx:cancel() end, ctx)
  gives(values(2, 1, "context canceled"), goroutine.select({ { channel = never, receive = true }, { context = ctx, handler = got } }))
  h:await()
  -- One that has ended is ready.
  gives(values(1, 1, "context canceled"), goroutine.select({ { context = ctx, handler = got }, { channel = never, receive = true } }))
  gives(values(1), goroutine.select({ { context = ctx }, { default = true } }))
  cancel()
  local short = goroutine.context():with_timeout(5)
  gives(values(1, 1, "context deadline exceeded"), goroutine.select({ { context = short, handler = got } }))
  -- One that loses goes on.
  local other = goroutine.context()
  gives(values(1), goroutine.select({ { after = 1 }, { context = other } }))
  equal(other:is_cancelled(), false)
end)

everywhere("a time is a case", function()
  local never = channel()
  local took, index, result = timed(goroutine.select, {
    { channel = never, receive = true }, { after = 20, handler = function(...) return select("#", ...) end }, { after = math.huge },
  })
  gives(values(2, 0), index, result)
  assert(took >= 19.9, took)
  gives(values(1), goroutine.select({ { after = -5 }, { channel = never, receive = true } }))
  gives(values(2, "float", true), goroutine.select({
    { channel = never, receive = true },
    { channel = goroutine.after(1), receive = true, handler = function(at, ok) return at > 0 and "float", ok end },
  }))
end)

everywhere("handlers run in the caller, and may block, yield and raise", function()
  local ch, back = filled(1), channel()
  local here = goroutine.current()
  local helper = async(function() back:send("later") end)
  local index, a, b = goroutine.select({ { channel = ch, receive = true, handler = function(v)
    goroutine.sleep(1)
    equal(goroutine.current(), here)
    return v, (back:receive())
  end } })
  gives(values(1, 1, "later"), index, a, b)
  helper:await()
  local co = coroutine.wrap(function()
    return goroutine.select({ { default = true, handler = function() return coroutine.yield("yielded") end } })
  end)
  gives(values("yielded"), co())
  gives(values(1, "resumed"), co("resumed"))
  local raised = { "whole" }
  local ok, err = pcall(goroutine.select, { { default = true, handler = function() error(raised) end } })
  gives(values(false, raised), ok, err)
end)

everywhere("one channel may be sent on and received from in one select", function()
  local ch = channel()
  local cases = { { channel = ch, receive = true, handler = function(v) return v end }, { channel = ch, send = "ours" } }
  gives(values(true, nil), goroutine.select_timeout(5, cases)) -- not with itself
  local other = async(function() return ch:receive() end)
  gives(values(2), goroutine.select(cases))
  gives(values(true, "ours", true), other:await())
  other = async(function() return ch:send("theirs") end)
  gives(values(1, "theirs"), goroutine.select(cases))
  gives(values(true, true), other:await())
end)

everywhere("two selects meet", function()
  local a, b = channel(), channel()
  local other = async(function(a, b)
    return (goroutine.select({ { channel = a, send = 1 }, { channel = b, send = 2 } }))
  end, a, b)
  local function got(...) return ... end
  local index, value = goroutine.select({
    { channel = a, receive = true, handler = got }, { channel = b, receive = true, handler = got },
  })
  equal(index, value)
  gives(values(true, index), other:await())
end)

everywhere("views can do what they can do", function()
  local ch = channel(1)
  gives(values(1), goroutine.select({ { channel = ch:sender(), send = 7 } }))
  gives(values(1, 7), goroutine.select({ { channel = ch:receiver(), receive = true, handler = function(v) return v end } }))
  raises("cannot send on receive-only channel", goroutine.select, { { channel = ch:receiver(), send = 1 } })
  raises("cannot receive from send-only channel", goroutine.select, { { channel = ch:sender(), receive = true } })
end)

everywhere("select_timeout says first whether the time was up", function()
  local ch = channel(1)
  local cases = { { channel = ch, receive = true, handler = function(...) return ... end } }
  local took, timed_out, index = timed(goroutine.select_timeout, 20, cases)
  gives(values(true, nil), timed_out, index)
  assert(took >= 19.9, took)
  gives(values(true, nil), goroutine.select_timeout(0, cases))
  ch:send("in time")
  gives(values(false, 1, "in time", true), goroutine.select_timeout(0, cases))
  gives(values(false, 1), goroutine.select_timeout(1000, { { channel = ch, send = 1 } }))
  gives(values(false, 2, "default"), goroutine.select_timeout(-1, {
    { channel = channel(), receive = true }, { default = true, handler = function() return "default" end },
  }))
end)

everywhere("wrong calls say which case, and nothing has happened", function()
  local ch = filled(1)
  local fine = { channel = ch, receive = true }
  local function wrong(text, case)
    contains(raises("bad argument #1 to 'select' (case 2: ", goroutine.select, { fine, case }), text)
    contains(raises("bad argument #2 to 'select_timeout' (case 2: ", goroutine.select_timeout, 5, { fine, case }), text)
  end
  wrong("one of channel, handle, context, after and default expected, got none", {})
  wrong("one of channel, handle, context, after and default expected, got none", { receive = true })
  wrong("got channel and after", { channel = ch, after = 5 })
  wrong("one operation (receive=true, send=value or op=\"send\") expected, got none", { channel = ch })
  wrong("expected, got receive and send", { channel = ch, receive = true, send = 1 })
  wrong("expected, got send and op=\"send\"", { channel = ch, send = 1, op = "send" })
  wrong("'channel': channel expected, got string", { channel = "ch", receive = true })
  wrong("'handle': handle expected, got channel", { handle = ch })
  wrong("'context': context expected, got table", { context = {} })
  wrong("'handler': function expected, got table", { default = true, handler = {} })
  wrong("did you mean 'receive'?", { channel = ch, recieve = true })
  wrong("table expected, got channel", ch)
  wrong("case 2: ", { default = true, receive = true })
  raises("list of at least one case expected, got an empty one", goroutine.select, {})
  raises("(case 2: table expected, got nil)", goroutine.select, { [1] = { default = true }, [3] = { default = true } })
  raises("(case 2: table expected, got nil)", goroutine.select_timeout, 5, { [1] = { after = 5 }, [4] = { default = true } })
  raises("(case 1: table expected, got nil)", goroutine.select, { nil, { default = true } })
  raises("list of cases expected, got '", goroutine.select, { channel = ch, receive = true })
  contains(raises("cannot send the value", goroutine.select, { { channel = ch, send = coroutine.create(function() end) } }), "coroutine")
  gives(values(1, true), ch:receive())
end)

test("the errors name the line of the caller", function()
  local err = raises("bad argument", function()
    local index = goroutine.select({ {} })
    return index
  end)
  assert(err:match("select%.lua:%d+: bad argument #1 to 'select'"), err)
end)

test("a goroutine that is cancelled in a select has taken nothing", function()
  local a, b = channel(), channel()
  local h = async(function() return goroutine.select({ { channel = a, receive = true }, { channel = b, send = "no" } }) end)
  parked(h)
  h:cancel("enough")
  local ok, err = h:await(30000)
  equal(ok, false)
  equal(tostring(err), "cancelled: enough")
  gives(values(false), a:try_send(1))
  gives(values(nil, false), b:try_receive())
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("a goroutine that is cancelled already does not look at all in a select, unless it would not wait", function()
  local full = filled(1)
  local again = async(function()
    pcall(goroutine.sleep, 1e9)
    local default = goroutine.select({ { channel = full, receive = true }, { default = true } })
    local raised, e = pcall(goroutine.select, { { channel = full, send = 2 } })
    return default, raised, goroutine.is_cancelled(e), full:len()
  end)
  parked(again)
  again:cancel()
  gives(values(true, 1, false, true, 0), again:await(30000))
end)

finish()
