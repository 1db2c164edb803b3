-- "One message named a module that the reader could not load. It stayed at the head of the queue and failed for every reader,
-- or it was gone and nobody was told, and the next reader slept on."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally("what is sent to the same state can be decoded there")
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- A message that can be sent from here, and rebuilt nowhere else.
package.loaded["only at home"] = { "home" }
local function send_bad(channel, ...)
  return channel:send({ "bad", require("only at home") }, ...)
end

test("it is used up, its reader is told, and the next one comes", function()
  local channel = goroutine.channel(3)
  channel:send("before")
  send_bad(channel)
  channel:send("after")
  gives(values(true, "before", false, true, "after"), await(async(function()
    local before = channel:receive()
    local ok, err = pcall(channel.receive, channel)
    return before, ok, err:find("only at home", 1, true) ~= nil, (channel:receive())
  end)))
  equal(channel:len(), 0)
end)

test("of readers that wait, one is told and the others get what follows", function()
  for _, capacity in ipairs({ 0, 1, 10 }) do
    local channel = goroutine.channel(capacity)
    local readers = {}
    for i = 1, 3 do
      readers[i] = async(function() return (channel:receive()) end)
      parked(readers[i])
    end
    gives(values(true), send_bad(channel, 30000))
    gives(values(true), channel:send("good", 30000))
    gives(values(true), channel:send("good", 30000))
    local good, told = 0, 0
    for _, result in ipairs(goroutine.await_all(readers, 30000)) do
      if result.success then
        equal(result.values[1], "good")
        good = good + 1
      else
        contains(result.error, "only at home")
        told = told + 1
      end
    end
    gives(values(2, 1), good, told)
  end
end)

test("each way to read is told, and none keeps it", function()
  local ways = {
    function(channel) return channel:receive() end,
    function(channel) return channel:receive(1000) end,
    function(channel) return channel:try_receive() end,
    function(channel) return goroutine.channel_receive(channel) end,
    function(channel) for value in channel:iter() do return value end end,
    function(channel) channel:range(error) end,
  }
  for _, way in ipairs(ways) do
    local channel = goroutine.channel(1)
    send_bad(channel)
    local ok, err = await(async(way, channel))
    equal(ok, false)
    contains(err, "only at home")
    equal(channel:len(), 0)
  end
end)

test("a start that fails so is reported, and its isolate works on", function()
  local module = require("only at home")
  goroutine.spawn(function() return module end)
  equal(goroutine.wait_all(30000), true)
  if reports then
    local report
    eventually("it is reported", function()
      report = reports()[1]
      return report
    end)
    contains(report, "only at home")
  end
  for i = 1, 50 do gives(values(true, i), await(async(function() return i end))) end
end)

test("a result that home cannot rebuild is home's error, each time it asks", function()
  local handle = async(function()
    package.loaded["only in one isolate"] = { "there" }
    return require("only in one isolate")
  end)
  for _ = 1, 2 do
    local called, ok, err = pcall(await, handle)
    equal(called and ok, false)
    contains(called and err or ok, "only in one isolate")
  end
  await(async(function() package.loaded["only in one isolate"] = nil end))
end)

finish()
