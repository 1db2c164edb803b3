-- A block in a coroutine that was resumed by another function than ours, which goroutine.local has replaced since: the
-- others run in place, and a warning says so once.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("it is loaded before this file is")
local resume, wrap, create = coroutine.resume, coroutine.wrap, coroutine.create
local goroutine = require("goroutine.local")

test("the coroutine goes on where it was, and resume does not see the block", function()
  local ran = 0
  local handle = goroutine.async(function()
    local co = create(function(a)
      goroutine.sleep(1)
      local b = coroutine.yield(a + 1)
      goroutine.sleep(1)
      return b + 1
    end)
    local _, first = resume(co, 1)
    local _, second = resume(co, 10)
    return first, second
  end)
  goroutine.spawn(function()
    for _ = 1, 3 do
      ran = ran + 1
      goroutine.sleep(0.1)
    end
  end)
  gives(values(true, 2, 11), goroutine.await(handle))
  assert(ran >= 1, ran)
  goroutine.wait_all()
  if reports then
    local told = reports()
    equal(#told, 1, table.concat(told, "\n"))
    contains(told[1], "older reference")
  end
end)

test("an older wrap likewise, also around ours and inside ours", function()
  local ok, a, b = goroutine.await(goroutine.async(function()
    local outer = wrap(function()
      local inner = coroutine.wrap(function() goroutine.sleep(0.2) coroutine.yield("inner") end)
      coroutine.yield(inner())
    end)
    local ours = coroutine.wrap(function() coroutine.yield(wrap(function() goroutine.sleep(0.2) return "within" end)()) end)
    return outer(), ours()
  end))
  gives(values(true, "inner", "within"), ok, a, b)
end)

test("such calls nest as goroutines that block in place run others that do", function()
  local count = 0
  local handles = {}
  for i = 1, 10 do
    handles[i] = goroutine.async(function()
      resume(create(function()
        goroutine.sleep(1 + i % 3)
        count = count + 1
      end))
    end)
  end
  for _, handle in ipairs(handles) do gives(values(true), goroutine.await(handle)) end
  equal(count, 10)
end)

test("too many of them are told so, and nothing breaks", function()
  local gate, failed = goroutine.channel(), 0
  local handles = {}
  for i = 1, 60 do
    handles[i] = goroutine.async(function()
      local ok, err = resume(create(function() gate:receive() end))
      if not ok then
        contains(err, "too many goroutines wait inside coroutines")
        failed = failed + 1
      end
    end)
  end
  goroutine.spawn(function()
    goroutine.sleep(5)
    gate:close()
  end)
  for _, handle in ipairs(handles) do gives(values(true), goroutine.await(handle)) end
  assert(failed > 0 and failed < 60, failed)
end)

test("one that blocks in place is cancelled", function()
  local handle = goroutine.async(function()
    local ok, err = resume(create(function() goroutine.sleep(60000) end))
    error(err, 0)
  end)
  local other = goroutine.async(function()
    goroutine.sleep(1)
    handle:cancel("enough")
  end)
  local ok, err = goroutine.await(handle)
  equal(ok, false)
  equal(tostring(err), "cancelled: enough")
  goroutine.await(other)
end)

test("the script itself may use them as ever", function()
  local ran = false
  goroutine.spawn(function() ran = true end)
  gives(values(true, "through"), resume(create(function()
    goroutine.sleep(1)
    return "through"
  end)))
  equal(ran, true)
end)

finish()
