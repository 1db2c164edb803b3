-- os.execute gives in a goroutine what it gives at home, and its isolate goes on meanwhile.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")
local async, await = goroutine.async, goroutine.await

test("os.execute gives what Lua's own gives", function()
  for _, command in ipairs({ "true", "false", "exit 3", "kill -9 $$", "exit 0\0exit 1", "not-a-command-of-any-kind 2>/dev/null", 5 .. " 2>/dev/null" }) do
    local wanted = values(os.execute(command))
    gives(values(true, (table.unpack or unpack)(wanted, 1, wanted.n)), await(async(os.execute, command)))
  end
  gives(values(true, os.execute()), await(async(os.execute)))
  gives(values(true, os.execute(nil)), await(async(os.execute, nil)))
  local ok, err = await(async(os.execute, {}))
  equal(ok, false)
  contains(err, "(string expected, got table)")
end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("others go on while a command runs", function()
  local gate = os.tmpname()
  local quoted = "'" .. gate .. "'"
  local handles = {}
  -- They end once the file is gone.
  for i = 1, 20 do
    handles[i] = async(function() return (os.execute("while [ -e " .. quoted .. " ]; do sleep 0.01; done")) end)
  end
  for i = 1, 20 do parked(handles[i]) end
  for i = 1, 20 do gives(values(true, i), await(async(function() return i end))) end
  local cancelled = async(function() os.execute("while [ -e " .. quoted .. " ]; do sleep 0.01; done") end)
  parked(cancelled)
  cancelled:cancel()
  local ok, err = cancelled:await(20000)
  equal(ok, false)
  assert(goroutine.is_cancelled(err))
  os.remove(gate)
  for i = 1, 20 do equal((handles[i]:await(20000)), true) end
end)

test("where a goroutine cannot wait, the command is waited for all the same", function()
  local ok, first = await(async(function()
    local result
    local list = { 2, 1 }
    table.sort(list, function(a, b) result = result or (os.execute("exit 0")) return a < b end)
    return result
  end))
  equal(ok, true)
  equal(first, (os.execute("exit 0")))
end)

finish()
