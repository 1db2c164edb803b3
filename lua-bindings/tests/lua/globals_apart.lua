-- What a goroutine does to its globals stays inside it: neither its neighbours in the same isolate nor home see any of it.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("goroutines have the globals of the script")
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

-- What is looked at afterwards. Every way below sets `leaked`, or changes what is standard.
local function untouched()
  local text = (loadstring or load)("return tostring(leaked) .. type(print) .. type(string) .. tostring(leaked_by_default)")()
  return text, leaked, rawget(_G, "leaked"), type(print), select(2, pcall(function() return leaked_by_default end)), #tostring(5)
end

local function expect(...)
  gives(values("nilfunctiontablenil", nil, nil, "function", nil, 1), ...)
end

local ways = {
  ["an assignment"] = function() leaked = true end,
  ["a field of _G"] = function() _G.leaked = true end,
  ["rawset on _G"] = function() rawset(_G, "leaked", true) end,
  ["an alias of _G"] = function()
    local g = _G
    g._G.leaked = true
    g["lea" .. "ked"] = true
  end,
  ["standard functions taken away"] = function()
    print, string = nil, nil
    _G.type, _G.tostring = nil, function() return "mine" end
  end,
  ["standard functions taken away by name"] = function()
    for _, name in ipairs({ "print", "string", "type" }) do _G[name] = nil end
  end,
  ["_G cleared"] = function()
    local next, g = next, _G
    for name in next, g do g[name] = nil end
  end,
  ["load"] = function() (loadstring or load)("leaked = true; print = nil")() end,
  ["load by another name, and in a coroutine"] = function()
    local by_name = _G["lo" .. "ad"]
    coroutine.wrap(function() by_name(function() end)() end)()
    local l = loadstring or load
    coroutine.wrap(function() pcall(l("leaked = true")) end)()
  end,
  ["load in loaded code"] = function() (loadstring or load)("(loadstring or load)('leaked = true')()")() end,
  ["loadfile and dofile"] = function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write("leaked = true; print = nil; _G.leaked = true")
    file:close()
    assert(loadfile(name))()
    dofile(name)
    os.remove(name)
    assert(leaked)
  end,
  ["setmetatable on _G"] = function()
    setmetatable(_G, { __index = function() return "by default" end, __newindex = function() end })
    assert(leaked_by_default == "by default")
  end,
  ["setmetatable on _G, and then writing"] = function()
    setmetatable(_G, { __newindex = function(t, k, v) rawset(t, k, v) end, __index = string })
    leaked = true
    assert(leaked)
  end,
  ["the metatable that _G has"] = function()
    local meta = getmetatable(_G)
    if meta then meta.__index = function() return "leaked" end end
  end,
  ["after a wait"] = function()
    goroutine.yield()
    leaked = true
    goroutine.sleep(1)
    _G.print = nil
  end,
  ["a function that came through a channel"] = function()
    local ch = goroutine.channel(1)
    ch:send(function()
      leaked = true
      _G.leaked = true
      setmetatable(_G, { __index = function() return "by default" end })
    end)
    ch:receive()()
  end,
  ["an inner goroutine"] = function()
    await(async(function() _G.leaked = true end))
    assert(leaked == nil)
  end,
  ["debug"] = function()
    if debug and debug.getinfo and debug.setupvalue then
      local f = (loadstring or load)("leaked = true; return leaked")
      f()
      debug.setmetatable(_G, { __index = function() return "by default" end })
    end
  end,
}

if not setfenv then
  ways["_ENV"] = compiled([[
    _ENV.leaked = true
    local function inner() local e = _ENV; e.print = nil end
    inner()
    setmetatable(_ENV, { __index = function() return "by default" end })
  ]])
  ways["another _ENV"] = compiled([[
    local _ENV = setmetatable({}, { __index = _ENV })
    leaked = true
    print = nil
    load("leaked = true", "=inner", "t", _ENV)()
  ]])
  ways["an _ENV that is assigned"] = compiled([[
    local outer = _ENV
    _ENV = { leaked = true, outer = outer }
    outer.leaked = true
  ]])
  ways["load with an environment"] = function()
    load("leaked = true", "=chunk", "t", _G)()
    load("leaked = true", "=chunk", "t", setmetatable({}, { __index = _G, __newindex = _G }))()
  end
else
  ways["setfenv and getfenv"] = function()
    getfenv(1).leaked = true
    getfenv(0).leaked = true
    getfenv(print).leaked = true
    assert(getfenv() == getfenv(1) and getfenv(0) == _G)
    pcall(setfenv, 0, { leaked = true })
    setfenv(1, { leaked = true })
  end
end

for name, way in pairs(ways) do
  everywhere(name .. " stays inside", function()
    -- Neighbours in every isolate: some that live on while it happens, and new ones afterwards.
    local gate, at_gate = goroutine.channel(), goroutine.channel()
    local living = goroutine.spawn_many(8, function()
      leaked_before = leaked
      at_gate:send(true)
      gate:receive()
      return leaked_before, untouched()
    end)
    for _ = 1, 8 do at_gate:receive() end
    for _, result in ipairs(goroutine.await_all(goroutine.spawn_many(8, way))) do
      assert(result.success, result.error)
    end
    gate:close()
    for _, handle in ipairs(living) do
      gives(values(true, nil, "nilfunctiontablenil", nil, nil, "function", nil, 1), await(handle))
    end
    for _, handle in ipairs(goroutine.spawn_many(8, untouched)) do
      gives(values(true, "nilfunctiontablenil", nil, nil, "function", nil, 1), await(handle))
    end
    expect(untouched())
  end)
end

finish()
