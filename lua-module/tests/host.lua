-- A program that embeds Lua as editors do: it is LuaJIT's C API that is used, through its FFI, a loop of its own that must never
-- be blocked, and several states that come and go. Each state's script starts goroutines from the loop's callbacks, and looks
-- at them in later ones.
--
--     LUA_CPATH=... luajit host.lua
local ffi = require("ffi")
jit.off() -- what calls back into another state is not compiled

ffi.cdef([[
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *L);
int luaL_loadstring(lua_State *L, const char *s);
int lua_pcall(lua_State *L, int nargs, int nresults, int errfunc);
const char *lua_tolstring(lua_State *L, int idx, size_t *len);
void lua_pushstring(lua_State *L, const char *s);
void lua_getfield(lua_State *L, int idx, const char *k);
int lua_toboolean(lua_State *L, int idx);
void lua_settop(lua_State *L, int idx);
void lua_close(lua_State *L);
int poll(void *fds, unsigned long nfds, int timeout);
]])
local C, GLOBALS = ffi.C, -10002

-- What each state runs: a plugin. `on_event` and `tick` are called by the loop, and wait for nothing without a limit.
local PLUGIN = [[
local goroutine = require("goroutine")
local gate, opened = goroutine.channel(), goroutine.wait_group()
local unfinished, seen = {}, {}

local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end

local function watch(name, handle)
  unfinished[name] = handle
end

local events = {}

function events.compute()
  for i = 1, 4 do
    watch("fib" .. i, goroutine.async(fib, 15 + i))
  end
end

-- It cannot end before a later event: who waited for it in this one would block the loop for good.
function events.wait_for_later()
  local handle = goroutine.async(function() return (gate:receive()) end)
  local ok, why = goroutine.await(handle, 10)
  assert(not ok and why == "timeout exceeded", tostring(why))
  assert(not handle:done())
  watch("gate", handle)
end

function events.open_gate()
  assert(gate:send("through the gate", 5000))
end

function events.fail()
  watch("fail", goroutine.async(function() error({ code = 7 }) end))
end

function events.give_up()
  local done, why = goroutine.timeout(10, function() goroutine.sleep(1e9) end)
  assert(not done and why == "timeout exceeded", tostring(why))
  seen.give_up = "given up"
end

function events.leave_running()
  for _ = 1, 4 do
    goroutine.spawn(goroutine.sleep, 1e9)
    goroutine.spawn(function() while true do goroutine.sleep(1) end end)
    goroutine.spawn(function() gate:receive() gate:receive() end)
  end
end

function on_event(name)
  events[name]()
end

-- Whether there is nothing to wait for any more.
function tick()
  for name, handle in pairs(unfinished) do
    if handle:done() then
      local ok, value = goroutine.await(handle, 5000)
      seen[name] = ok and value or type(value) == "table" and "code " .. value.code or tostring(value)
      unfinished[name] = nil
    end
  end
  return next(unfinished) == nil
end

function results()
  local names = {}
  for name, value in pairs(seen) do names[#names + 1] = name .. "=" .. tostring(value) end
  table.sort(names)
  return table.concat(names, " ")
end
]]

local function fail(state, what)
  error(what .. ": " .. ffi.string(C.lua_tolstring(state, -1, nil)), 0)
end

local function open()
  local state = C.luaL_newstate()
  C.luaL_openlibs(state)
  if C.luaL_loadstring(state, PLUGIN) ~= 0 or C.lua_pcall(state, 0, 0, 0) ~= 0 then
    fail(state, "the plugin")
  end
  return state
end

-- Calls a global function of the state; gives its result as `read` reads it.
local function call(state, name, argument, read)
  C.lua_getfield(state, GLOBALS, name)
  if argument then
    C.lua_pushstring(state, argument)
  end
  if C.lua_pcall(state, argument and 1 or 0, 1, 0) ~= 0 then
    fail(state, name .. " " .. tostring(argument))
  end
  local result = read and read(state)
  C.lua_settop(state, 0)
  return result
end

local function event(name)
  return function(state) call(state, "on_event", name) end
end

local function is_quiet(state)
  return call(state, "tick", nil, function() return C.lua_toboolean(state, -1) ~= 0 end)
end

-- The loop: one event for each state, then a look at all of them, and so on until nothing is left to wait for.
local function loop(states, events)
  local limit = os.time() + 60
  repeat
    local next_event = table.remove(events, 1)
    local all_quiet = true
    for _, state in ipairs(states) do
      if next_event then
        next_event(state)
      end
      all_quiet = is_quiet(state) and all_quiet
    end
    C.poll(nil, 0, 1)
    assert(os.time() < limit, "the loop does not come to an end")
  until all_quiet and #events == 0
end

local EXPECTED = "fail=code 7 fib1=987 fib2=1597 fib3=2584 fib4=4181 gate=through the gate give_up=given up"

for round = 1, 3 do
  local states = {}
  for i = 1, 3 do
    states[i] = open()
  end
  loop(states, {
    event("wait_for_later"), event("compute"), event("fail"), event("give_up"), event("open_gate"),
  })
  for i, state in ipairs(states) do
    local got = call(state, "results", nil, function() return ffi.string(C.lua_tolstring(state, -1, nil)) end)
    assert(got == EXPECTED, ("round %d, state %d: %s"):format(round, i, got))
  end
  -- One is closed while its goroutines run; the others, and one that comes after it, go on.
  event("leave_running")(states[1])
  C.lua_close(table.remove(states, 1))
  states[#states + 1] = open()
  loop(states, { event("compute"), event("leave_running") })
  for _, state in ipairs(states) do
    C.lua_close(state)
  end
end
print("host: 3 rounds of 4 states")
