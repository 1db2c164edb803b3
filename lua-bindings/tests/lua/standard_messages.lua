-- Standard functions that have ours in their place: what they say of wrong calls is what they say elsewhere, and where.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end

-- Each is run as it stands. `plain` (tests/support/mod.rs) runs it in a state without the module.
local CASES = {
  "coroutine.resume()",
  "coroutine.resume(nil)",
  "coroutine.resume('text')",
  "coroutine:resume()",
  "local resume = coroutine.resume\n\nresume(5)",
  "pcall(coroutine.resume, 5)",
  "return pcall(coroutine.resume, 5)",
  "coroutine.wrap()",
  "coroutine.wrap(5)",
  "coroutine.wrap(assert)(false, 'broken')",
  "coroutine.wrap(function() error('broken') end)()",
  "coroutine.wrap(function() error('broken', 0) end)()",
  "coroutine.wrap(function() error() end)()",
  "coroutine.wrap(function() error({}) end)()",
  "for _ in coroutine.wrap(function() error('broken') end) do end",
  "local f = coroutine.wrap(function() end) f() f()",
  "return pcall(coroutine.wrap(function() error('broken') end))",
  "coroutine.status()",
  "coroutine.status(5)",
  "return pcall(coroutine.status, 5)",
  "local co = coroutine.create(function() end) coroutine.resume(co) return coroutine.resume(co)",
  "if coroutine.isyieldable then coroutine.isyieldable(5) end",
  "if coroutine.isyieldable then return pcall(coroutine.isyieldable, {}) end",
  "if coroutine.close then coroutine.close(5) end",
  "if coroutine.close then coroutine.close(nil) end",
  "if coroutine.close then return pcall(coroutine.close, 'text') end",
  "if coroutine.close then local co co = coroutine.create(function() coroutine.wrap(function() coroutine.close(co) end)() end) return coroutine.resume(co) end",
  "if coroutine.close then return coroutine.close(coroutine.create(print)) end",
  "if coroutine.close then local co = coroutine.create(error) coroutine.resume(co, 'broken') return coroutine.close(co) end",
  "io.popen()",
  "io.popen({})",
  "io.popen('true', {})",
  "io.popen('true', 'nonsense')",
  "local open = io.popen\nopen({})",
  "return pcall(io.popen, {})",
  "io:popen()",
  "io.read('nonsense')",
  "io.read({})",
  "io.read(print)",
  "return pcall(io.read, 'nonsense')",
  "os.execute({})",
  "local x = os.execute(print)",
  "return pcall(os.execute, {})",
  "io.lines({})",
  "io.lines('/there/is/no/such/file')",
  "return pcall(io.lines, '/there/is/no/such/file')",
  "io.type()",
  "io.close(5)",
  "io.close({})",
  "os.exit({})",
  "local leave = os.exit leave(print)",
  "return pcall(os.exit, {})",
  "pcall()",
  "xpcall()",
  "xpcall(print)",
  "xpcall(print, 5)",
  "load()",
  "load({})",
  "load('return', {})",
  "local f = load f(5 == 5)",
  "loadfile({})",
  "return loadfile('/there/is/no/such/file')",
  "dofile('/there/is/no/such/file')",
  "dofile({})",
  "if loadstring then loadstring({}) end",
  "if setfenv then setfenv() end",
  "if setfenv then setfenv(1) end",
  "if setfenv then setfenv(tostring, {}) end",
  "if getfenv then getfenv({}) end",
  "if getfenv then getfenv(-1) end",
  "if getfenv then getfenv(5000) end",
  "print(setmetatable({}, { __tostring = function() error('broken') end }))",
  "print(setmetatable({}, { __tostring = function() return {} end }))",
  "io.write({})",
  "io.write('', nil)",
  "return pcall(io.write, {})",
  -- The files of commands.
  "local file = io.popen('true') file:read('nonsense')",
  "local file = io.popen('true') file.read()",
  "local file = io.popen('true') file.read({})",
  "local file = io.popen('true') file:close() file:read()",
  "local file = io.popen('true') file:close() file:lines()",
  "local file = io.popen('true') file:close() return pcall(file.read, file)",
  "local file = io.popen('true') local next = file:lines() file:close() next()",
  "local file = io.popen('true') file:seek('nonsense')",
  "local file = io.popen('true') file:setvbuf('nonsense')",
  "local file = io.popen('true', 'w') file:write({})",
  "local file = io.popen('true', 'w') file:write('', nil)",
}

-- Where a tail call of a C function leaves its caller on the call stack, and one of a Lua function does not.
if _VERSION ~= "Lua 5.1" and _VERSION ~= "Lua 5.2" then
  for _, source in ipairs({
    "local f = coroutine.wrap(function() end) f() return f()",
    "local f = coroutine.wrap(function() end) f()\nlocal function g()\nreturn f()\nend\ng()",
    "return coroutine.wrap(function() error('broken') end)()",
    "return coroutine.wrap(function() error({}) end)()",
    "local function g()\nreturn coroutine.wrap(error)('broken')\nend\nreturn g()",
    "return coroutine.wrap(function(...) return ... end)(1, nil, 'three', nil)",
  }) do
    CASES[#CASES + 1] = source
  end
end

-- To 5.2 and 5.3 a coroutine that runs is dead, if it has no values.
if _VERSION ~= "Lua 5.2" and _VERSION ~= "Lua 5.3" then
  for _, source in ipairs({
    "local f f = coroutine.wrap(function() f() end) f()",
    "local co co = coroutine.create(function() return coroutine.resume(co) end) return coroutine.resume(co)",
    "local co co = coroutine.create(function() coroutine.wrap(function() coroutine.resume(co) end)() end) return coroutine.resume(co)",
    "local co co = coroutine.create(function() return coroutine.wrap(function() return coroutine.resume(co) end)() end) return coroutine.resume(co)",
  }) do
    CASES[#CASES + 1] = source
  end
end

-- What came of it, as one string.
function outcome(source)
  local results = values(pcall((loadstring or load)(source, "=case")))
  for i = 1, results.n do
    results[i] = (type(results[i]) .. " " .. tostring(results[i])):gsub("0x%x+", "ADDRESS")
  end
  return table.concat(results, ", ", 1, results.n)
end

if plain then
  local expected = {}
  for i, source in ipairs(CASES) do
    expected[i] = plain(source)
  end
  everywhere("they say what they say elsewhere", function()
    local wrong = {}
    for i, source in ipairs(CASES) do
      local got = outcome(source)
      if got ~= expected[i] then
        wrong[#wrong + 1] = source .. "\n  says:      " .. got .. "\n  elsewhere: " .. expected[i]
      end
    end
    if wrong[1] then
      error(table.concat(wrong, "\n"), 0)
    end
  end)
else
  test("they name no function of ours", function()
    for _, source in ipairs(CASES) do
      local got = outcome(source)
      assert(not got:find("goroutine:", 1, true) and not got:find("'raw", 1, true), got)
    end
  end)
end

-- A host that takes what is printed has a `print` of its own at home.
everywhere("print of what has no text says so at the caller's line", function()
  local source = "\nprint(setmetatable({}, { __tostring = function() return {} end }))"
  local older = _VERSION == "Lua 5.1" or _VERSION == "Lua 5.2"
  local why = older and "'tostring' must return a string to 'print'" or "'__tostring' must return a string"
  -- That of 5.3 calls `tostring`, whose caller has no line.
  local where = _VERSION == "Lua 5.3" and "" or "case:2: "
  equal(outcome(source), "boolean false, string " .. where .. why)
  equal(outcome((source:gsub("%)$", ", 1)"))), "boolean false, string " .. where .. why)
end)

finish()
