-- io.popen gives in a goroutine what it gives at home, and its isolate goes on while a command is waited for.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally({
  ["such a file stays where it is"] = "nothing is copied",
})
local goroutine = require("goroutine")
local async, await = goroutine.async, goroutine.await
local unpack = table.unpack or unpack

-- Results of goroutines, or an error that says where it comes from.
local function done(ok, ...)
  if not ok then
    error(tostring((...)) .. "\n" .. tostring((select(2, ...))), 0)
  end
  return ...
end

local function inside(fn, ...)
  return done(await(async(fn, ...)))
end

-- A file that commands can wait for: they go on once it is gone.
local function gate()
  local name = os.tmpname()
  return name, "while [ -e '" .. name .. "' ]; do sleep 0.01; done"
end

local function read_all(command, ...)
  local file = assert(io.popen(command))
  local results = {}
  for _, formats in ipairs({ ... }) do
    local got = values(file:read(unpack(formats)))
    results[#results + 1] = got
  end
  results[#results + 1] = values(file:close())
  return results
end

test("reading gives what Lua's own files give", function()
  local all, line, number = { "*a" }, { "*l" }, { "*n" }
  for _, case in ipairs({
    { "printf 'one\\ntwo\\n\\nfour'", line, line, {}, line, line, all },
    { "printf 'one\\ntwo'", all, all, line },
    { "printf 'abcdef'", { 2 }, { 0 }, { 10 }, { 0 }, { 1 } },
    { "printf '12 0x10 -3.5e1x'", number, number, number, all },
    { "printf 'xy'", { "*n", "*l" }, all },
    { "printf 'a\\nb\\n3'", { "*l", "*l", "*n", "*l" }, all },
    { "true", all, line, number, { 0 } },
    { "exit 3" },
    { "kill -9 $$" },
    { "head -c 300000 /dev/zero | tr '\\0' x", { 70000 }, all },
  }) do
    same(inside(read_all, unpack(case)), read_all(unpack(case)))
  end
end)

local function collected(...)
  local list = {}
  for line in io.popen("printf 'a\\n\\nb c\\nd'"):lines(...) do list[#list + 1] = line end
  return list
end

test("lines are lines", function() same(inside(collected), { "a", "", "b c", "d" }) end)

unless_lua("5.1", "`lines` of a file takes no formats")
test("lines are what is asked for", function() same(inside(collected, 3), { "a\n\n", "b c", "\nd" }) end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("lines come as the command prints them, and others go on meanwhile", function()
  local name, wait = gate()
  local heard = goroutine.channel(20)
  local handles = {}
  for i = 1, 20 do
    handles[i] = async(function()
      local file = io.popen("echo one; " .. wait .. "; echo two")
      heard:send(file:read())
      local rest = file:read("*a")
      return rest, file:close()
    end)
  end
  for _ = 1, 20 do gives(values("one", true), heard:receive()) end
  for i = 1, 20 do parked(handles[i]) end
  for i = 1, 20 do gives(values(true, i), await(async(function() return i end))) end
  os.remove(name)
  for i = 1, 20 do equal(select(2, handles[i]:await(20000)), "two\n") end
end)

test("what is written arrives, more than a pipe holds, too", function()
  local name = os.tmpname()
  local text = ("0123456789"):rep(30000)
  local results = inside(function()
    local file = io.popen("cat > '" .. name .. "'", "w")
    assert(file:write("a", 1, 2.5, "\n"))
    assert(file:write(text))
    assert(file:flush())
    return values(file:close())
  end)
  same(results, values(io.popen("true", "w"):close()))
  local file = io.open(name)
  equal(file:read("*a"), "a12.5\n" .. text)
  file:close()
  os.remove(name)
end)

unless_lua("5.1", "`write` of a file gives true and not the file")
test("what writes gives the file", function()
  local function written()
    local file = io.popen("cat >/dev/null", "w")
    return file:write("a") == file, file:close()
  end
  equal((inside(written)), true)
end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("a file that is dropped still writes what it was given", function()
  local name, wait = gate()
  local out = os.tmpname()
  local text = ("x"):rep(200000)
  local handle = async(function() io.popen(wait .. "; cat > '" .. out .. "'; rm '" .. out .. "'", "w"):write(text) end)
  parked(handle)
  handle:cancel()
  handle:await()
  os.remove(name)
  eventually("the command has read all", function()
    collectgarbage()
    async(collectgarbage):await()
    local file = io.open(out)
    if not file then return true end
    file:close()
  end)
end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("a command that does not read is an error, and not the end", function()
  local results = inside(function()
    local file = io.popen("exec 0<&-; exec sleep 0", "w")
    local results
    repeat results = values(file:write(("x"):rep(1000))) until not results[1]
    file:close()
    return results
  end)
  same(results, values(nil, "Broken pipe", 32))
end)

test("the wrong way round fails as in Lua", function()
  local function write_on_read() return io.popen("true"):write("x") end
  local function read_on_written() return io.popen("true", "w"):read() end
  equal((inside(write_on_read)), nil)
  equal((inside(read_on_written)), nil)
end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("wrong calls are refused", function()
  inside(function()
    raises("bad argument #1 to 'popen' (string expected, got ", function() io.popen() end)
    local file = io.popen("echo x; echo y")
    raises("bad argument #1 to 'read' (", function() file:read("*x") end)
    raises("bad argument #1 to", file.read, {})
    equal(io.type(file), "file")
    contains(tostring(file), "file (")
    equal(file:read(), "x")
    file:close()
    equal(io.type(file), "closed file")
    equal(tostring(file), "file (closed)")
    for _, method in ipairs({ "read", "lines", "write", "flush", "close", "setvbuf", "seek" }) do
      raises("attempt to use a closed file", file[method], file)
    end
    equal(io.type(io.stdout), "file")
    equal(io.type("x"), nil)
    file = io.popen("exit 0")
    assert(io.close(file))
    raises("attempt to use a closed file", file.close, file)
  end)
end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("such a file stays where it is", function()
  local ok, err = await(async(function() return io.popen("true") end))
  equal(ok, false)
  contains(err, "cannot send ")
  contains(err, "userdata")
end)

test("in coroutines and behind C functions it works as well", function()
  local function nested()
    local lines = {}
    for line in coroutine.wrap(function()
      for line in io.popen("echo a; sleep 0.01; echo b"):lines() do coroutine.yield(line) end
    end) do
      lines[#lines + 1] = line
    end
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      local file = io.popen("sleep 0.01; echo x")
      lines[3] = file:read()
      file:close()
      return a < b
    end)
    return lines, list
  end
  local lines, list = inside(nested)
  same(lines, { "a", "b", "x" })
  same(list, { 1, 2, 3 })
end)

unless_lua("5.1 5.2 5.3 jit", "no variables that are closed (`<close>`)")
test("what a cancelled goroutine has waited for is still there for what closes its variables", function()
  local make = load([[
    local command, told = ...
    return function()
      local file <close> = io.popen(command)
      local rest <close> = setmetatable({}, { __close = function()
        told:send(file:read("l"))
        told:send(file:read("l"))
      end })
      file:read("a")
    end
  ]])
  local name, wait = gate()
  local printed = os.tmpname()
  os.remove(printed)
  local told = goroutine.channel(2)
  local handle = async(make("echo one; echo two; : >'" .. printed .. "'; " .. wait, told))
  parked(handle)
  eventually("the command has printed", function()
    local file = io.open(printed)
    return file and file:close()
  end)
  handle:cancel()
  gives(values("one", true), told:receive(20000))
  gives(values("two", true), told:receive(20000))
  os.remove(name)
  os.remove(printed)
  handle:await()
end)

unless_lua("5.1 5.2", "`os.execute`, `io.popen` and `io.read` keep their isolate")
test("a goroutine that waits for a command is cancelled at once", function()
  local name, wait = gate()
  for _, fn in ipairs({
    function() io.popen(wait):read() end,
    function() io.popen(wait):close() end,
    function() for _ in io.popen(wait):lines() do end end,
    function() io.popen(wait, "w"):write(("x"):rep(1000000)) end,
  }) do
    local handle = async(fn)
    parked(handle)
    handle:cancel()
    local ok, err = handle:await(20000)
    equal(ok, false)
    assert(goroutine.is_cancelled(err), tostring(err))
  end
  os.remove(name)
end)

finish()
