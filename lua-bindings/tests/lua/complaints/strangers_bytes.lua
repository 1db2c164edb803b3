-- "Our workers load what comes over the wire. Somebody sent bytecode of another Lua, and the process crashed; somebody else sent
-- bytecode of this one, and it ran."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
local goroutine = require("goroutine")

-- Only the harness of cargo's tests makes bytes of values, as Rust programs do, and values of bytes.
local to_bytes, from_bytes = to_bytes, from_bytes

-- The text of the error by which bytes are refused.
local function refused(bytes, trust)
  local ok, err = pcall(from_bytes, bytes, trust)
  equal(ok, false)
  return tostring(err)
end

local function with(bytes, at, byte)
  return bytes:sub(1, at - 1) .. string.char(byte) .. bytes:sub(at + 1)
end

if to_bytes then
  local ran = 0
  function run_by_a_stranger() ran = ran + 1 end

  local list = { 1, "two", { 3.5 }, true }
  list.list = list
  local data, code = to_bytes(list), to_bytes(function() return run_by_a_stranger() end)

  test("data goes through without trust, code only with it", function()
    local back = from_bytes(data, "data")
    gives(values(1, "two", 3.5, true, back), back[1], back[2], back[3][1], back[4], back.list)
    contains(refused(code, "data"), "a packet with code")
    equal(type(from_bytes(code, "code")), "function")
    equal(ran, 0)
  end)

  test("code is refused wherever it hides", function()
    local function hidden() return 1 end
    for _, value in ipairs({
      { { hidden } },
      { [hidden] = 1 },
      setmetatable({}, { __index = hidden }),
      setmetatable({}, { __gc = hidden }),
    }) do
      refused(to_bytes(value), "data")
    end
    -- Library functions go by name; that is code enough.
    for _, value in ipairs({ os.execute, { load }, string, { __index = io } }) do
      refused(to_bytes(value), "data")
    end
  end)

  test("another Lua, another machine and another format are refused, though the sender is trusted", function()
    for at, words in pairs({ [5] = "format", [6] = "a packet of ", [7] = "sizes", [8] = "sizes", [9] = "sizes", [10] = "orders bytes" }) do
      -- No Lua, format or size of ours.
      contains(refused(with(code, at, 0x33), "code"), words)
    end
  end)

  test("plain bytecode, with no header of ours, is none of our packets", function()
    contains(refused(string.dump(function() return run_by_a_stranger() end), "code"), "no packet")
    contains(refused("", "code"), "no packet")
    contains(refused("return 1", "code"), "no packet")
  end)

  test("damaged bytes are refused, wherever the damage is", function()
    for at = 1, #code do
      local byte = code:byte(at)
      refused(with(code, at, (byte + 1) % 256), "code")
      refused(with(code, at, (byte + 128) % 256), "data")
    end
    for length = 0, #code - 1 do refused(code:sub(1, length), "code") end
    refused(code .. "\0", "code")
  end)

  test("after all of it nothing has run, and all works on", function()
    equal(ran, 0)
    same(from_bytes(to_bytes({ "still", "works" }), "data"), { "still", "works" })
  end)
end

finish()
