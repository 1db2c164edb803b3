-- Wrong calls: every function and method of the module, given everything that it should not get.
--
-- `functions` and `methods` below have a row for each, which says what its arguments are; a test fails if one is missing. A wrong
-- call raises a text with the caller's line, the function, the argument, and what was got.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local nan, huge = 0 / 0, math.huge
local unpack = table.unpack or unpack
local ABSENT = {} -- stands for an argument that is not given at all

-- Values of every type, with what messages call them.
local function samples()
  local scope
  goroutine.scope(function(s) scope = s end)
  local sleeping = goroutine.async(goroutine.sleep, 1e9)
  sleeping:cancel()
  local _, cancelled = sleeping:await()
  goroutine.pool_create("sample")
  local pool = goroutine.pool("sample")
  return {
    { ABSENT, "no value" }, { nil, "nil" }, { true, "boolean" }, { false, "boolean" }, { 7, "number" }, { 0.5, "number" },
    { "text", "string" }, { "", "string" }, { {}, "table" }, { print, "function" }, { function() end, "function" },
    { coroutine.create(function() end), "thread" }, { io.stdout, "userdata" },
    { goroutine.channel(), "channel" }, { goroutine.channel():sender(), "channel" }, { sleeping, "handle" },
    { goroutine.wait_group(), "wait group" }, { goroutine.atomic_int(), "atomic int" }, { scope, "scope" },
    { goroutine.mutex(), "mutex" }, { goroutine.rwmutex(), "rwmutex" }, { goroutine.semaphore(1), "semaphore" },
    { goroutine.once(), "once" }, { goroutine.cond(), "cond" }, { goroutine.barrier(1), "barrier" },
    { (goroutine.context()), "context" }, { goroutine.shared(), "shared table" },
    { goroutine.rate_limiter({ rate = 1 }), "rate limiter" }, { goroutine.circuit_breaker(), "circuit breaker" },
    { goroutine.broadcaster(), "broadcaster" },
    { cancelled, "cancelled error" }, { pool, "pool" }, { goroutine, "table" },
    { setmetatable({}, { __call = function() end, __index = function() error("looked into") end }), "table" },
  }
end

-- What an argument may be. `fits`: the words for what else is right; `wrong`: values of the right type that are wrong,
-- with what the message says was got where it is not the type.
local optional = { ["nil"] = true, ["no value"] = true }
local function either(a, b)
  local all = {}
  for word in pairs(a) do all[word] = true end
  for word in pairs(b) do all[word] = true end
  return all
end

local function noop() end

local FUNCTION = { fits = { ["function"] = true }, wrong = {} }
local ANY = { fits = false, wrong = {} }
local MS = { fits = { number = true }, wrong = { nan } }
local MS_OR_NONE = { fits = either(optional, { number = true }), wrong = { nan } }
local WHOLE = { fits = { number = true }, wrong = { 0.5, -1.5, nan, huge, -huge, 1e308, 2 ^ 64 } }
local WHOLE_OR_NONE = { fits = either(optional, WHOLE.fits), wrong = WHOLE.wrong }
local COUNT = { fits = { number = true }, wrong = { -1, 0.5, nan, huge, -huge, 1e308, 2 ^ 64, -2 ^ 53 } }
local COUNT_OR_NONE = { fits = either(optional, COUNT.fits), wrong = COUNT.wrong }
local SIZE = { fits = { number = true }, wrong = { 0, -1, 0.5, nan, huge, -huge, 1e308, 2 ^ 64, -2 ^ 53 } }
local MANY = { fits = { number = true }, wrong = { -1, 0.5, nan, huge, -huge, 1e308, 2 ^ 53, -2 ^ 53 } }
local TEXT = { fits = { string = true }, wrong = {} }
local TEXT_OR_NONE = { fits = either(optional, TEXT.fits), wrong = {} }
local DIRECTION = { fits = either(optional, TEXT.fits), wrong = { "", "sideways", "Send" } }
local HANDLE = { fits = { handle = true }, wrong = {} }
local CHANNEL = { fits = { channel = true }, wrong = {} }
local LIST = { fits = { table = true }, wrong = {} }
local ITEMS = { fits = { table = true }, wrong = {
  { first = 1 }, { [true] = 1 }, { 1, first = 1 }, { 1, nil, 3 }, { [1] = 1, [3] = 3 }, { [2] = 1 }, { [1e6] = 1 }, { 1, [0] = 0 },
} }
local HANDLES = { fits = { table = true }, wrong = {
  { 1 }, { false }, { {} }, { [2] = 1 }, { first = 1 }, { [0] = 1 }, { [1.5] = 1 }, { [true] = 1 },
} }
local CASES = { fits = { table = true }, wrong = {
  {}, { 1 }, { {} }, { { [true] = 1 } }, { { default = false } }, { { default = true }, { default = true } }, { { handler = noop } },
  { { channel = 1, receive = true } }, { { channel = goroutine.channel() } }, { { channel = goroutine.channel(), receive = false } },
  { { channel = goroutine.channel(), receive = true, send = 1 } }, { { channel = goroutine.channel(), op = "peek" } },
  { { channel = goroutine.channel(), receive = true, value = 1 } }, { { channel = goroutine.channel(), send = 1, value = 1 } },
  { { receive = true } }, { { send = 1, op = "send" } }, { { default = true, handler = {} } }, { { default = true, receive = true } },
  { { handle = 1 } }, { { context = {} } }, { { after = "1" } }, { { after = nan } }, { { after = 1, default = true } },
  { { channel = goroutine.channel(), receive = true }, default = true }, { { default = true }, [0] = { after = 1 } },
  { [1] = { default = true }, [3] = { after = 1 } }, { nil, { default = true } }, { [2] = { default = true } },
} }
local STAGES = { fits = { table = true }, wrong = {
  {}, { 1 }, { {} }, { { fn = 1 } }, { { fn = noop, workers = 0 } }, { { fn = noop, workers = "2" } }, { { fn = noop, workers = nan } },
  { { fn = noop, capacity = -1 } }, { { fn = noop, capacity = 0.5 } }, { { fn = noop, [true] = 1 } }, { { fn = noop }, 5 },
  { { fn = noop }, workers = 2 }, { [1] = { fn = noop }, [3] = { fn = noop } },
} }
local CHANNELS = { fits = { table = true }, wrong = { { 1 }, { false }, { {} }, { [2] = 1 }, { first = goroutine.channel() } } }
local FEW = { fits = { number = true }, wrong = { 0, -1, 0.5, nan, huge, 1e308 } }
local SPAN = { fits = { number = true }, wrong = { nan, 0, -1, -huge } }
local NAMED_AND_FULL = { fits = { table = true }, wrong = { { 1 }, {}, { per = 5 } } }
local NAMED = { fits = { table = true }, wrong = { { 1 }, { [true] = 1 } } }
local VALUE = { fits = false, wrong = { ABSENT } }
local OPTIONS = { fits = either(optional, { table = true }), wrong = { { 1 }, { [true] = 1 } } }

local KEY = { fits = { string = true, number = true, boolean = true }, wrong = { nan } }
for _, word in ipairs({
  "channel", "handle", "wait group", "atomic int", "scope", "cancelled error", "mutex", "rwmutex", "semaphore", "once", "cond", "barrier",
  "context", "shared table", "rate limiter", "circuit breaker", "broadcaster", "pool",
}) do KEY.fits[word] = true end

local function done_handle()
  local handle = goroutine.async(function() return "done" end)
  handle:await()
  return handle
end

local function filled()
  local channel = goroutine.channel(1)
  channel:send("value")
  return channel
end

local function closed()
  local channel = goroutine.channel()
  channel:close()
  return channel
end

-- Every function: the kinds of its arguments, and right ones, with which it returns at once. `limit`: which argument is a limit
-- that does not matter then.
local functions = {
  spawn = { FUNCTION, right = function() return noop end },
  async = { FUNCTION, right = function() return noop end },
  blocking = { FUNCTION, right = function() return noop end },
  list = { right = noop },
  stats = { right = noop },
  dump = { right = noop },
  spawn_many = { MANY, FUNCTION, right = function() return 2, noop end },
  await = { HANDLE, MS_OR_NONE, limit = 2, right = function() return done_handle(), 1000 end },
  await_all = { HANDLES, MS_OR_NONE, limit = 2, right = function() return { done_handle() }, 1000 end },
  await_any = { HANDLES, MS_OR_NONE, limit = 2, right = function() return { done_handle() }, 1000 end },
  wait_all = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
  timeout = { MS, FUNCTION, right = function() return 60000, noop end },
  scope = { FUNCTION, right = function() return noop end },
  sleep = { MS, right = function() return 0 end },
  yield = { right = noop },
  now = { right = noop },
  current = { right = noop },
  backend = { right = noop },
  is_cancelled = { ANY, right = function() return "anything" end },
  wait_group = { right = noop },
  atomic_int = { WHOLE_OR_NONE, right = function() return 5 end },
  channel = { COUNT_OR_NONE, DIRECTION, right = function() return 1, "send" end },
  after = { MS, right = function() return 0 end },
  ticker = { SPAN, right = function() return 1000 end },
  select = { CASES, right = function() return { { default = true } } end },
  select_timeout = { MS, CASES, limit = 1, right = function() return 1000, { { default = true } } end },
  pipeline = { CHANNEL, STAGES, right = function() return closed(), { { fn = noop, workers = 2, capacity = 0 } } end },
  fan_out = { CHANNEL, FEW, right = function() return closed(), 2 end },
  fan_in = { CHANNELS, right = function() return { closed(), closed() } end },
  class = { LIST, right = function() return {} end },
  configure = { NAMED, right = function() return { copy_modules = {} } end },
  channel_send = { CHANNEL, VALUE, MS_OR_NONE, limit = 3, right = function() return goroutine.channel(1), "value", 1000 end },
  channel_receive = { CHANNEL, MS_OR_NONE, limit = 2, right = function() return filled(), 1000 end },
  channel_close = { CHANNEL, right = function() return goroutine.channel() end },
  channel_len = { CHANNEL, right = function() return goroutine.channel() end },
  channel_cap = { CHANNEL, right = function() return goroutine.channel() end },
  pool_create = { TEXT, OPTIONS, right = function() return "made", { workers = 1 } end },
  pool_submit = { TEXT, FUNCTION, right = function() return "bad arguments", noop end },
  pool_submit_priority = { TEXT, WHOLE, FUNCTION, right = function() return "bad arguments", 1, noop end },
  pool_async = { TEXT, FUNCTION, right = function() return "bad arguments", noop end },
  pool_map = { TEXT, ITEMS, FUNCTION, right = function() return "bad arguments", { 1 }, noop end },
  pool_wait = { TEXT, MS_OR_NONE, limit = 2, right = function()
    goroutine.pool_wait("bad arguments")
    return "bad arguments", 1000
  end },
  pool_close = { TEXT, OPTIONS, right = function() return "not there", { cancel = true } end },
  mutex = { right = noop },
  rwmutex = { right = noop },
  semaphore = { SIZE, right = function() return 2 end },
  once = { right = noop },
  cond = { right = noop },
  barrier = { SIZE, right = function() return 2 end },
  context = { right = noop },
  retry = { OPTIONS, FUNCTION, right = function() return { max_attempts = 1 }, noop end },
  rate_limiter = { NAMED_AND_FULL, right = function() return { rate = 1 } end },
  circuit_breaker = { OPTIONS, right = function() return { threshold = 1 } end },
  broadcaster = { right = noop },
  shared = { { fits = either(optional, { table = true }), wrong = {} }, right = function() return { 1 } end },
  pool = { TEXT, right = function() return "bad arguments" end },
  pool_stats = { TEXT, right = function() return "bad arguments" end },
}

local function locked_mutex()
  local mutex = goroutine.mutex()
  mutex:lock()
  return mutex
end

-- Every method: the object comes first.
local methods = {
  mutex = {
    make = goroutine.mutex,
    lock = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    try_lock = { right = noop },
    unlock = { right = noop, make = locked_mutex },
    with = { FUNCTION, MS_OR_NONE, limit = 2, right = function() return noop, 1000 end },
  },
  rwmutex = {
    make = goroutine.rwmutex,
    lock = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    rlock = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    try_lock = { right = noop },
    try_rlock = { right = noop },
    unlock = { right = noop, make = function()
      local lock = goroutine.rwmutex()
      lock:lock()
      return lock
    end },
    runlock = { right = noop, make = function()
      local lock = goroutine.rwmutex()
      lock:rlock()
      return lock
    end },
    with = { FUNCTION, MS_OR_NONE, limit = 2, right = function() return noop, 1000 end },
    rwith = { FUNCTION, MS_OR_NONE, limit = 2, right = function() return noop, 1000 end },
  },
  semaphore = {
    make = function()
      local permits = goroutine.semaphore(10)
      permits:acquire()
      return permits
    end,
    acquire = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    release = { right = noop },
    try_acquire = { right = noop },
    available = { right = noop },
    capacity = { right = noop },
    with = { FUNCTION, MS_OR_NONE, limit = 2, right = function() return noop, 1000 end },
  },
  once = {
    make = goroutine.once,
    call = { FUNCTION, MS_OR_NONE, limit = 2, right = function() return noop, 1000 end },
  },
  cond = {
    make = function()
      local cond = goroutine.cond()
      cond:get_mutex():lock()
      return cond
    end,
    get_mutex = { right = noop },
    signal = { right = noop },
    broadcast = { right = noop },
    wait = { MS_OR_NONE, limit = false, right = function() return 0 end },
  },
  context = {
    make = function() return (goroutine.context()) end,
    with_cancel = { right = noop },
    with_timeout = { MS, right = function() return 1000 end },
    with_deadline = { MS, right = function() return 1000 end },
    is_cancelled = { right = noop },
    err = { right = noop },
    cancel = { right = noop },
    deadline = { right = noop },
    done = { right = noop },
    run = { FUNCTION, right = function() return noop end },
    spawn = { FUNCTION, right = function() return noop end },
  },
  ["rate limiter"] = {
    make = function() return goroutine.rate_limiter({ rate = 1e9, burst = 1000 }) end,
    wait = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    try = { right = noop },
  },
  ["circuit breaker"] = {
    make = goroutine.circuit_breaker,
    call = { FUNCTION, right = function() return noop end },
    state = { right = noop },
  },
  broadcaster = {
    make = goroutine.broadcaster,
    subscribe = { COUNT_OR_NONE, right = function() return 1 end },
    broadcast = { VALUE, MS_OR_NONE, limit = 2, right = function() return "value", 1000 end },
    close = { right = noop },
  },
  ["shared table"] = {
    make = function() return goroutine.shared({ key = 1 }) end,
    get = { KEY, right = function() return "key" end },
    set = { KEY, ANY, right = function() return "key", 2 end },
    update = { KEY, FUNCTION, right = function() return "key", noop end },
    get_or_insert = { KEY, VALUE, right = function() return "key", 2 end },
    insert = { VALUE, right = function() return 1 end },
    snapshot = { right = noop },
  },
  barrier = {
    make = function() return goroutine.barrier(1) end,
    wait = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
  },
  handle = {
    make = done_handle,
    await = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    cancel = { TEXT_OR_NONE, right = function() return "reason" end },
    done = { right = noop },
    status = { right = noop },
    id = { right = noop },
    name = { TEXT_OR_NONE, right = function() return "name" end },
  },
  ["wait group"] = {
    make = function()
      local group = goroutine.wait_group()
      group:add(3)
      return group
    end,
    add = { WHOLE_OR_NONE, right = function() return 1 end },
    done = { right = noop },
    wait = { MS_OR_NONE, limit = false, right = function() return 0 end },
  },
  ["atomic int"] = {
    make = function() return goroutine.atomic_int(1) end,
    add = { WHOLE_OR_NONE, right = function() return 1 end },
    load = { right = noop },
    store = { WHOLE, right = function() return 1 end },
    swap = { WHOLE, right = function() return 1 end },
    compare_and_swap = { WHOLE, WHOLE, right = function() return 1, 2 end },
  },
  channel = {
    make = function()
      local channel = goroutine.channel(2)
      channel:send("value")
      return channel
    end,
    send = { VALUE, MS_OR_NONE, limit = 2, right = function() return "value", 1000 end },
    receive = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    try_send = { VALUE, right = function() return "value" end },
    try_receive = { right = noop },
    close = { right = noop },
    len = { right = noop },
    cap = { right = noop },
    is_closed = { right = noop },
    sender = { right = noop },
    receiver = { right = noop },
    stop = { right = false },
    range = { FUNCTION, right = false },
    iter = { right = noop },
  },
  pool = {
    make = function()
      goroutine.pool_create("object")
      return goroutine.pool("object")
    end,
    submit = { FUNCTION, right = function() return noop end },
    async = { FUNCTION, right = function() return noop end },
    map = { ITEMS, FUNCTION, right = function() return { 1 }, noop end },
    wait = { MS_OR_NONE, limit = 1, right = function() return 1000 end },
    close = { OPTIONS, right = function() return { cancel = true } end },
    stats = { right = noop },
  },
  scope = {
    make = function()
      local scope
      goroutine.scope(function(s) scope = s end)
      return scope
    end,
    spawn = { FUNCTION, right = false },
  },
}
local views = { channel = { "sender", "receiver" } }

local function call(f, ...)
  local results = values(f(...))
  return results
end
local call_line = debug and debug.getinfo(call, "S").linedefined + 1

local function list_of(row, ...)
  local list = values(...)
  for i = list.n + 1, #row do list[i] = nil end
  return list
end

local function right_arguments(row)
  if not row.right then
    local list = { n = #row }
    for i = 1, #row do list[i] = noop end
    return list
  end
  return list_of(row, row.right())
end

-- Lua 5.1 forgets who made a tail call, and with that the line.
local has_places = _VERSION ~= "Lua 5.1" or jit

-- Calls f with the arguments, and gives the message that it must raise, without the place in front.
local function refused(name, f, arguments)
  local ok, err = pcall(call, f, unpack(arguments, 1, arguments.n))
  local shown = {}
  for i = 1, arguments.n do shown[i] = show(arguments[i]) end
  local called = name .. "(" .. table.concat(shown, ", ") .. ")"
  if ok then error(called .. " raises nothing", 0) end
  if type(err) ~= "string" then error(called .. " raises a " .. type(err) .. ": " .. tostring(err), 0) end
  if not has_places then return (err:gsub("^[^\n]-bad_arguments%.lua:%d+: ", "")), called end
  local line, message = err:match("^[^\n]-bad_arguments%.lua:(%d+): (.*)$")
  if not line then error(called .. ": no place in front of: " .. err, 0) end
  if call_line and tonumber(line) ~= call_line then error(called .. ": line " .. line .. " is not the caller's: " .. err, 0) end
  return message, called
end

-- Tries everything that is wrong as argument n of f. `object`: what comes before the arguments.
local function try_argument(name, f, row, n, object)
  local kind = row[n]
  local function attempt(value, got)
    local arguments = right_arguments(row)
    if value == ABSENT then
      arguments.n = n - 1
    else
      arguments[n] = value
      arguments.n = math.max(arguments.n, n)
    end
    local all = { n = arguments.n }
    for i = 1, arguments.n do all[i] = arguments[i] end
    if object then
      for i = all.n, 1, -1 do all[i + 1] = all[i] end
      all[1], all.n = object(), all.n + 1
    end
    local message, called = refused(name, f, all)
    local argument, function_name, why, what = message:match("^bad argument #(%d+) to '([%w_]+)' %((.+) expected, got (.+)%)$")
    if not argument then error(called .. ": not in the form of a wrong call: " .. message, 0) end
    if tonumber(argument) ~= n or function_name ~= name then error(called .. " names another argument: " .. message, 0) end
    if got and what ~= got then error(called .. ": got " .. got .. ", it says: " .. message, 0) end
    if why:find("\n") or #message > 200 then error(called .. ": a long message: " .. message, 0) end
  end
  if kind.fits then
    for _, sample in ipairs(samples()) do
      if not kind.fits[sample[2]] then attempt(sample[1], sample[2]) end
    end
  end
  for _, value in pairs(kind.wrong) do attempt(value, value == ABSENT and "no value" or nil) end
end

for name, row in pairs(functions) do
  everywhere(name .. " refuses what it should not get", function()
    goroutine.pool_create("bad arguments", { priority = true })
    for n = 1, #row do try_argument(name, goroutine[name], row, n) end
    goroutine.pool_close("bad arguments")
  end)

  everywhere(name .. " takes what is right, and more arguments than it has", function()
    goroutine.pool_create("bad arguments", { priority = true })
    local arguments = right_arguments(row)
    local more = { n = arguments.n + 1 }
    for i = 1, arguments.n do more[i] = arguments[i] end
    call(goroutine[name], unpack(more, 1, more.n))
    goroutine.pool_close("bad arguments")
    goroutine.pool_close("made")
  end)

  if row.limit then
    everywhere(name .. " takes any limit", function()
      goroutine.pool_create("bad arguments", { priority = true })
      for _, limit in ipairs({ 0, -1, 0.001, -0.5, 2 ^ 31, 2 ^ 53, 2 ^ 64, 1e308, huge, -huge, -1e308, -2 ^ 53 }) do
        local arguments = right_arguments(row)
        arguments[row.limit] = limit
        call(goroutine[name], unpack(arguments, 1, arguments.n))
      end
      goroutine.pool_close("bad arguments")
    end)
  end
end

for class, rows in pairs(methods) do
  for name, row in pairs(rows) do
    if type(row) == "table" then
      everywhere(class .. ":" .. name .. " refuses what it should not get", function()
        local method = rows.make()[name]
        for n = 1, #row do try_argument(name, method, row, n, rows.make) end
      end)

      everywhere(class .. ":" .. name .. " refuses every other object", function()
        local method = rows.make()[name]
        for _, sample in ipairs(samples()) do
          if sample[2] ~= class then
            local arguments = right_arguments(row)
            local all = { n = 0 }
            if sample[1] ~= ABSENT then
              all = { sample[1], unpack(arguments, 1, arguments.n) }
              all.n = arguments.n + 1
            end
            local message, called = refused(name, method, all)
            local wanted = "calling '" .. name .. "' on bad self (" .. class .. " expected, got " .. sample[2] .. ")"
            -- Without any argument at all it may speak of the first that is missing.
            local also = "bad argument #1 to '" .. name .. "' ("
            if message:sub(1, #wanted) ~= wanted and not (all.n == 0 and message:sub(1, #also) == also) then
              error(called .. ": " .. wanted .. " expected, got " .. message, 0)
            end
          end
        end
      end)

      everywhere(class .. ":" .. name .. " takes what is right", function()
        if row.right then
          local arguments = right_arguments(row)
          local make = row.make or rows.make
          call(make()[name], make(), unpack(arguments, 1, arguments.n))
        end
      end)

      if row.limit then
        everywhere(class .. ":" .. name .. " takes any limit", function()
          for _, limit in ipairs({ 0, -1, 0.001, 2 ^ 53, 1e308, huge, -huge }) do
            local arguments = right_arguments(row)
            arguments[row.limit] = limit
            call(rows.make()[name], rows.make(), unpack(arguments, 1, arguments.n))
          end
        end)
      end
    end
  end
end

test("every function of the module has a row here", function()
  for name, value in pairs(goroutine) do
    if type(value) == "function" then
      assert(functions[name], "no row for the function " .. name)
    else
      equal(name, "_VERSION")
    end
  end
  for name in pairs(functions) do equal(type(goroutine[name]), "function", name) end
end)

test("every method of every object has a row here", function()
  for class, rows in pairs(methods) do
    local object = rows.make()
    local index = debug.getmetatable(object).__index
    if class == "shared table" then
      -- Its fields are its own, but for the methods.
      index = setmetatable({}, { __index = function(_, name) return object[name] end })
    end
    equal(type(index), "table", "the methods of a " .. class)
    for name in pairs(index) do assert(rows[name], "no row for the method " .. name .. " of a " .. class) end
    for name, row in pairs(rows) do
      if type(row) == "table" then equal(type(index[name]), "function", class .. ":" .. name) end
    end
    for _, view in ipairs(views[class] or {}) do equal(debug.getmetatable(object[view](object)).__index, index) end
  end
end)

everywhere("a sleep for ever, and limits that no clock reaches, can be cancelled", function()
  for _, limit in ipairs({ 2 ^ 53, 1e308, huge }) do
    gives(values(false, "timeout exceeded"), goroutine.timeout(5, goroutine.sleep, limit))
    gives(values(false, "timeout exceeded"), goroutine.timeout(5, goroutine.timeout, limit, goroutine.sleep, limit))
    gives(values(false, "timeout exceeded"), goroutine.timeout(5, function() goroutine.channel():receive(limit) end))
  end
end)

everywhere("numbers at the ends of their range do no harm", function()
  local group = goroutine.wait_group()
  for _, n in ipairs({ 2 ^ 53, 2 ^ 53, 2 ^ 62, 2 ^ 62, -2 ^ 62, -2 ^ 53 }) do
    local ok, err = pcall(group.add, group, n)
    if not ok then equal(type(err), "string") end
  end
  for _, capacity in ipairs({ 2 ^ 31, 2 ^ 40, 2 ^ 53, math.maxinteger or 2 ^ 53 }) do
    local ok, channel = pcall(goroutine.channel, capacity)
    if ok then
      channel:send("value", 0)
      gives(values("value", true), channel:receive(0))
    else
      contains(channel, "bad argument #1 to 'channel'")
    end
  end
  for _, size in ipairs({ 2 ^ 20, 1e9 }) do
    local ok, err = pcall(goroutine.pool_create, "huge", { workers = size, queue = size })
    if ok then
      gives(values(true, "ran"), goroutine.pool_async("huge", function() return "ran" end):await())
      goroutine.pool_close("huge")
    else
      contains(err, "bad argument #2 to 'pool_create'")
    end
  end
end)

everywhere("an unknown option is refused, and the nearest is named", function()
  local function unknown(near, f, ...)
    local message = refused("call", f, values(...))
    contains(message, "bad argument #2 to")
    contains(message, "unknown option")
    contains(message, "'" .. near .. "'")
  end
  for given, near in pairs({
    worker = "workers", Workers = "workers", wrokers = "workers", queu = "queue", queues = "queue", onfull = "on_full", on_ful = "on_full",
    prioritiy = "priority",
  }) do
    unknown(near, goroutine.pool_create, "p", { [given] = 1 })
  end
  for _, given in ipairs({ "cancle", "Cancel", "canceled", "cance" }) do
    unknown("cancel", goroutine.pool_close, "p", { [given] = true })
  end
  local function first_unknown(near, f, ...)
    local message = refused("call", f, values(...))
    contains(message, "unknown option")
    contains(message, "'" .. near .. "'?")
  end
  for given, near in pairs({ rat = "rate", Per = "per", bursts = "burst" }) do
    first_unknown(near, goroutine.rate_limiter, { [given] = 1 })
  end
  for given, near in pairs({ treshold = "threshold", time_out = "timeout", half_open = "half_open_max" }) do
    first_unknown(near, goroutine.circuit_breaker, { [given] = 1 })
  end
  for given, near in pairs({ attempts = "max_attempts", delay = "max_delay", multiplyer = "multiplier", jiter = "jitter" }) do
    first_unknown(near, goroutine.retry, { [given] = 1 }, noop)
  end
  for given, near in pairs({ isolate = "isolates", memorylimit = "memory_limit", onstart = "on_start", copy_module = "copy_modules" }) do
    first_unknown(near, goroutine.configure, { [given] = 1 })
  end
  -- Of two names that are as near, the one that lacks nothing but letters.
  for given, near in pairs({
    handlr = "handler", hander = "handler", handlers = "handler", handles = "handle", handel = "handle", chanel = "channel", sned = "send",
    recieve = "receive", recv = "receive", defualt = "default", aftr = "after", contxt = "context", Handler = "handler",
  }) do
    first_unknown(near, goroutine.select, { { channel = goroutine.channel(), receive = true, [given] = noop } })
  end
  for given, near in pairs({ worker = "workers", fun = "fn", capacty = "capacity" }) do
    first_unknown(near, goroutine.pipeline, goroutine.channel(), { { fn = noop, [given] = 1 } })
  end
  local message = refused("pool_create", goroutine.pool_create, values("p", { zzzzzzzz = 1 }))
  contains(message, "unknown option 'zzzzzzzz'")
  equal(goroutine.pool_stats("p"), nil)
end)

everywhere("an option's value of the wrong kind is refused by its name", function()
  local function wrong(option, f, value)
    local message, called = refused("call", f, values("p", { [option] = value }))
    if not message:match("^bad argument #2 to '[%w_]+' %(.*" .. option .. ".* expected, got .+%)$") then
      error(called .. " " .. option .. " = " .. show(value) .. ": " .. message, 0)
    end
  end
  for _, value in ipairs({ 0, -1, 1.5, nan, huge, -huge, 1e308, "4", true, {}, print }) do wrong("workers", goroutine.pool_create, value) end
  for _, value in ipairs({ -1, 0.5, nan, huge, -huge, 1e308, "4", false, {}, print }) do wrong("queue", goroutine.pool_create, value) end
  for _, value in ipairs({ "", "Block", "drop", 1, true, {} }) do wrong("on_full", goroutine.pool_create, value) end
  for _, value in ipairs({ 0, 1, "true", {} }) do wrong("priority", goroutine.pool_create, value) end
  for _, value in ipairs({ 0, 1, "true", {} }) do wrong("cancel", goroutine.pool_close, value) end
  local function first_wrong(f, options, option, value, ...)
    options[option] = value
    local message, called = refused("call", f, values(options, ...))
    if not message:match("^bad argument #1 to '[%w_]+' %(option '" .. option .. "': .+ expected, got .+%)$") then
      error(called .. " " .. option .. " = " .. show(value) .. ": " .. message, 0)
    end
  end
  for option, wrongs in pairs({
    rate = { 0, -1, nan, -huge, "1", true, {} }, per = { 0, -1, nan, -huge, "1", true, {} },
    burst = { 0, -1, 1.5, 1e-300, nan, huge, 1e308, "1", true, {} },
  }) do
    for _, value in ipairs(wrongs) do first_wrong(goroutine.rate_limiter, { rate = 1 }, option, value) end
  end
  for option, wrongs in pairs({
    threshold = { 0, -1, 1.5, nan, huge, 1e308, "1", true, {} }, timeout = { -1, nan, -huge, "1", true, {} },
    half_open_max = { 0, -1, 1.5, nan, huge, 1e308, "1", true, {} },
  }) do
    for _, value in ipairs(wrongs) do first_wrong(goroutine.circuit_breaker, {}, option, value) end
  end
  for option, wrongs in pairs({
    max_attempts = { 0, -1, 1.5, nan, huge, 1e308, "1", true, {} }, initial_delay = { -1, nan, -huge, "1", true, {} },
    max_delay = { -1, nan, -huge, "1", true, {} }, multiplier = { 0, 0.5, -1, nan, "1", true, {} }, jitter = { 0, 1, "true", {} },
  }) do
    for _, value in ipairs(wrongs) do first_wrong(goroutine.retry, {}, option, value, noop) end
  end
end)

everywhere("numbers from texts are not numbers here", function()
  for _, f in ipairs({ goroutine.sleep, goroutine.atomic_int, goroutine.channel }) do
    contains(refused("call", f, values("5")), "got string")
  end
end)

everywhere("wrong calls leave nothing behind", function()
  for _ = 1, 100 do
    pcall(goroutine.spawn, 5)
    pcall(goroutine.pool_submit, "bad arguments", nil)
    pcall(goroutine.timeout, nan, noop)
  end
  gives(values(true), goroutine.wait_all(30000))
end)

finish()
