-- Whether declarations are those of the module: it is called as they say, and otherwise.
--
-- Called with what declared.lua made of the file of types, and the page that tells of the module. Gives the checks by name.
local declared, page = ...

local goroutine = require("goroutine")

local classes, aliases, functions = declared.classes, declared.aliases, declared.functions
local MODULE = "goroutine"
local unpack = table.unpack or unpack

local function noop() end

-- Types.

-- The parts of a union.
local function members(type_of)
  local list, depth, quoted, from = {}, 0, false, 1
  for at = 1, #type_of do
    local char = type_of:sub(at, at)
    if char == '"' then
      quoted = not quoted
    elseif not quoted and (char == "(" or char == "<") then
      depth = depth + 1
    elseif not quoted and (char == ")" or char == ">") then
      depth = depth - 1
    elseif not quoted and depth == 0 and char == "|" then
      list[#list + 1] = type_of:sub(from, at - 1)
      from = at + 1
    end
  end
  list[#list + 1] = type_of:sub(from)
  return list
end

-- The simple types that a type consists of: names of Lua's types, "integer", literals, "fun", "X[]", classes. A `?` is a nil.
local function simple(type_of, generics, into)
  into = into or {}
  for _, member in ipairs(members(type_of)) do
    if member:sub(-1) == "?" then
      into[#into + 1] = "nil"
      member = member:sub(1, -2)
    end
    if aliases[member] then
      simple(aliases[member], generics, into)
    elseif generics and generics[member] then
      simple(generics[member], nil, into)
    elseif member:sub(1, 4) == "fun(" then
      into[#into + 1] = "function"
    else
      into[#into + 1] = member
    end
  end
  return into
end

local LUA = { any = true, ["nil"] = true, boolean = true, number = true, integer = true, string = true, table = true, ["function"] = true }

-- Whether a class is this one, or made from it.
local function is_a(class, other)
  if class == other then
    return true
  end
  for _, parent in ipairs(classes[class].parents) do
    if is_a(parent, other) then
      return true
    end
  end
  return false
end

-- Which kinds of values a type admits: Lua's types, and classes of objects.
local function admits(type_of, kind, generics)
  for _, member in ipairs(simple(type_of, generics)) do
    local wanted = member
    if member == "integer" then
      wanted = "number"
    elseif member == "true" or member == "false" then
      wanted = "boolean"
    elseif member:sub(1, 1) == '"' then
      wanted = "string"
    elseif member:sub(-2) == "[]" or classes[member] and not classes[member].object then
      wanted = "table"
    end
    if wanted == "any" or wanted == kind then
      return true
    elseif classes[wanted] and classes[kind] and is_a(kind, wanted) then
      return true
    end
  end
  return false
end

-- Values.

local scope -- one that has not ended while anything is checked

local POOL = "a name"

local function pool()
  goroutine.pool_create(POOL, { priority = true })
  return goroutine.pool(POOL)
end

local function closed_channel()
  local channel = goroutine.channel(2)
  channel:send("value")
  channel:close()
  return channel
end

-- A new object of each class, with which every method returns at once.
local make = {
  ["goroutine.Handle"] = function()
    local handle = goroutine.async(function() return "done" end)
    handle:await()
    return handle
  end,
  ["goroutine.Cancelled"] = function()
    local handle = goroutine.async(goroutine.sleep, 60000)
    handle:cancel()
    return select(2, handle:await())
  end,
  ["goroutine.Scope"] = function() return scope end,
  ["goroutine.WaitGroup"] = goroutine.wait_group,
  ["goroutine.AtomicInt"] = goroutine.atomic_int,
  ["goroutine.Mutex"] = goroutine.mutex,
  ["goroutine.RwMutex"] = goroutine.rwmutex,
  ["goroutine.Semaphore"] = function() return goroutine.semaphore(2) end,
  ["goroutine.Once"] = goroutine.once,
  ["goroutine.Cond"] = goroutine.cond,
  ["goroutine.Barrier"] = function() return goroutine.barrier(1) end,
  ["goroutine.Context"] = function() return (goroutine.context()) end,
  ["goroutine.Shared"] = goroutine.shared,
  ["goroutine.RateLimiter"] = function() return goroutine.rate_limiter({ rate = 1e6, burst = 100 }) end,
  ["goroutine.CircuitBreaker"] = goroutine.circuit_breaker,
  ["goroutine.Broadcaster"] = goroutine.broadcaster,
  ["goroutine.Pool"] = pool,
  ["goroutine.View"] = closed_channel,
  ["goroutine.Sender"] = function() return closed_channel():sender() end,
  ["goroutine.Receiver"] = function() return closed_channel():receiver() end,
  ["goroutine.Channel"] = closed_channel,
  ["goroutine.Ticker"] = function() return goroutine.ticker(1000) end,
}

-- Methods for which the object has to be in another state.
local prepare = {
  ["goroutine.WaitGroup:done"] = function(group) group:add() end,
  ["goroutine.Mutex:unlock"] = function(mutex) mutex:lock() end,
  ["goroutine.RwMutex:unlock"] = function(lock) lock:lock() end,
  ["goroutine.RwMutex:runlock"] = function(lock) lock:rlock() end,
  ["goroutine.Semaphore:release"] = function(semaphore) semaphore:acquire() end,
  ["goroutine.Cond:wait"] = function(cond)
    local mutex = cond:get_mutex()
    mutex:lock()
    -- It comes in when the mutex is free, which it is while `wait` waits.
    goroutine.spawn(function() mutex:with(function() cond:signal() end) end)
  end,
}

-- Tables that need more than their required fields.
local tables = {
  ["goroutine.SelectCase"] = function() return { default = true } end,
}

-- Fields whose right values are not any of their type.
local fields = {
  ["goroutine.ConfigureOptions.memory_limit"] = 2 ^ 30,
}

local value_of

local function value_of_field(class, name)
  return fields[class .. "." .. name] or value_of(classes[class].fields[name].type)
end

-- A right value of this type.
function value_of(type_of, generics)
  local member = simple(type_of, generics)[1]
  if member == "nil" then
    member = simple(type_of, generics)[2]
  end
  if make[member] then
    return make[member]()
  elseif member == "any" then
    return "a value"
  elseif member == "string" then
    return POOL
  elseif member == "integer" or member == "number" then
    return 1
  elseif member == "boolean" or member == "true" then
    return true
  elseif member == "table" then
    return {}
  elseif member == "function" then
    return noop
  elseif member:sub(1, 1) == '"' then
    return member:sub(2, -2)
  elseif member:sub(-2) == "[]" then
    return { (value_of(member:sub(1, -3), generics)) }
  elseif tables[member] then
    return tables[member]()
  end
  local class = assert(classes[member], "no such type: " .. member)
  local table_of = {}
  for name, field in pairs(class.fields) do
    if not field.optional then
      table_of[name] = value_of(field.type)
    end
  end
  return table_of
end

-- Values of every kind.
local function samples()
  local list = {
    { true, "boolean" }, { 1, "number" }, { "text", "string" }, { {}, "table" }, { noop, "function" },
    { coroutine.create(noop), "thread" }, { io.stdout, "userdata" },
  }
  for class, new in pairs(make) do
    if class ~= "goroutine.View" then -- there is none that is neither of its subclasses
      list[#list + 1] = { new(), class }
    end
  end
  return list
end

-- Whether a result is of this type, as tables have the fields that are declared, and no others.
local function fits(type_of, value, generics, path)
  local kind = type(value)
  for _, member in ipairs(simple(type_of, generics)) do
    local class = classes[member]
    if member == "any" or member == kind or member == tostring(value) or member == ('"%s"'):format(tostring(value)) then
      return true
    elseif member == "integer" and kind == "number" and value % 1 == 0 then
      return true
    elseif member:sub(-2) == "[]" and kind == "table" then
      for i, item in ipairs(value) do
        fits(member:sub(1, -3), item, generics, path .. "[" .. i .. "]")
      end
      return true
    elseif class and class.object and kind == "userdata" then
      assert(debug.getmetatable(value) == debug.getmetatable(make[member]()), path .. " is no " .. member)
      return true
    elseif class and not class.object and kind == "table" then
      for name, field in pairs(class.fields) do
        if value[name] ~= nil or not field.optional then
          fits(field.type, value[name], nil, path .. "." .. name)
        end
      end
      for name in pairs(value) do
        local indexed = class.fields["[" .. (math.type(name) or type(name)) .. "]"]
        assert(class.fields[name] or indexed, path .. " has a field that is not declared: " .. tostring(name))
      end
      return true
    end
  end
  error(("%s is declared as %s, and is %s (%s)"):format(path, type_of, tostring(value), kind), 0)
end

-- Calls.

local function title(f)
  return f.owner == MODULE and MODULE .. "." .. f.name or f.owner .. ":" .. f.name
end

-- Calls it with these arguments, on a new object. Gives what pcall does, as a list.
local function call(f, arguments, count)
  pool()
  local body, results
  if f.owner == MODULE then
    body = goroutine[f.name]
    results = table.pack(pcall(body, unpack(arguments, 1, count)))
  else
    local object = make[f.owner]()
    local ready = prepare[title(f)]
    if ready then
      ready(object)
    end
    results = table.pack(pcall(object[f.name], object, unpack(arguments, 1, count)))
  end
  return results
end

local function right_arguments(f, count)
  local list = {}
  for i = 1, count do
    list[i] = value_of(f.params[i].type, f.generics)
  end
  return list
end

-- How many arguments there have to be, as declared.
local function required(f)
  for i = #f.params, 1, -1 do
    if not f.params[i].optional and not admits(f.params[i].type, "nil", {}) then
      return i
    elseif f.params[i].type == "any" and not f.params[i].optional then
      return i
    end
  end
  return 0
end

-- Where leaving out a value of any type means nil.
local NIL_UNLESS_GIVEN = { ["goroutine.is_cancelled"] = 1, ["goroutine.Shared:get"] = 1, ["goroutine.Shared:set"] = 2 }

local function refused(f, results, argument)
  local message = tostring(results[2])
  local said = not results[1] and message:match("bad argument #(%d+) to '" .. f.name .. "' %(")
  return said and tonumber(said) == argument, results[1] and "nothing is raised" or message
end

local function each(check)
  local failures = {}
  for _, f in ipairs(functions) do
    local ok, err = pcall(check, f)
    if not ok then
      failures[#failures + 1] = ("%s (line %d): %s"):format(title(f), f.line, tostring(err))
    end
  end
  assert(#functions > 100, "too few functions are declared")
  assert(#failures == 0, "\n" .. table.concat(failures, "\n"))
end

local checks = {}

function checks.names()
  local here, known = {}, {}
  for _, f in ipairs(functions) do
    assert(not here[title(f)], "declared twice: " .. title(f))
    here[title(f)] = true
    assert(f.method == (f.owner ~= MODULE), title(f) .. ": functions of the module have a dot, methods a colon")
    if f.owner == MODULE then
      assert(type(goroutine[f.name]) == "function", "declared, but not in the module: " .. f.name)
    end
  end
  for name, value in pairs(goroutine) do
    if type(value) == "function" then
      assert(here[MODULE .. "." .. name], "in the module, but not declared: " .. name)
    else
      local field = assert(classes[MODULE].fields[name], "in the module, but not declared: " .. tostring(name))
      fits(field.type, value, nil, name)
    end
  end
  for name in pairs(classes[MODULE].fields) do
    assert(goroutine[name] ~= nil, "declared, but not in the module: " .. name)
  end
  -- Several classes may be views of one: together they have its methods.
  local methods = {}
  for class, description in pairs(classes) do
    if description.object and class ~= MODULE then
      local object = assert(make[class], "the check does not know how to make a " .. class)()
      local metatable = debug.getmetatable(object)
      methods[metatable] = methods[metatable] or { object = object, class = class, names = {} }
      known[class] = methods[metatable].names
    end
  end
  for class in pairs(make) do
    assert(known[class], "not declared: " .. class)
  end
  for _, f in ipairs(functions) do
    if f.owner ~= MODULE then
      known[f.owner][f.name] = true
    end
  end
  for metatable, found in pairs(methods) do
    local index = metatable.__index
    if type(index) == "table" then
      for name in pairs(index) do
        assert(found.names[name], ("a method of %s that is not declared: %s"):format(found.class, name))
      end
    end
    for name in pairs(found.names) do
      assert(type(found.object[name]) == "function", ("declared, but no method of %s: %s"):format(found.class, name))
    end
  end
end

-- The methods of shared tables hide behind a function: what is not declared shows as a key that is reached by `get` alone.
function checks.methods_of_shared_tables()
  local shared, declared_here, words = goroutine.shared(), {}, {}
  for _, f in ipairs(functions) do
    words[f.name] = true
    if f.owner == "goroutine.Shared" then
      declared_here[f.name] = true
    end
  end
  for name in page:gmatch("[%l_]+") do
    words[name] = true
  end
  for name in pairs(words) do
    assert((type(shared[name]) == "function") == (declared_here[name] or false), "a shared table and its method " .. name)
  end
end

function checks.too_few_arguments()
  each(function(f)
    local needed = required(f)
    for count = 0, needed - 1 do
      local missing = count + 1
      while missing < needed and admits(f.params[missing].type, "nil", {}) and f.params[missing].type ~= "any" do
        missing = missing + 1
      end
      if NIL_UNLESS_GIVEN[title(f)] ~= missing then
        local ok, said = refused(f, call(f, right_arguments(f, count), count), missing)
        assert(ok, ("with %d arguments it should name argument %d: %s"):format(count, missing, said))
      end
    end
  end)
end

function checks.what_is_declared_is_accepted()
  each(function(f)
    for count = required(f), #f.params do
      local results = call(f, right_arguments(f, count), count)
      assert(results[1], ("with %d arguments: %s"):format(count, tostring(results[2])))
      local last = f.returns[#f.returns]
      for i = 2, results.n do
        local of = f.returns[i - 1] or last and last.variadic and last
        assert(of, ("it returns %d values"):format(results.n - 1))
        fits(of.type, results[i], f.generics, "result " .. i - 1)
      end
      for i = results.n, #f.returns do
        local of = f.returns[i]
        assert(of.variadic or admits(of.type, "nil", f.generics), ("result %d is missing"):format(i))
      end
    end
  end)
end

function checks.what_is_not_declared_is_refused()
  local all = samples()
  each(function(f)
    for i, param in ipairs(f.params) do
      for _, sample in ipairs(all) do
        if not admits(param.type, sample[2], f.generics) then
          local arguments = right_arguments(f, #f.params)
          arguments[i] = sample[1]
          local ok, said = refused(f, call(f, arguments, #f.params), i)
          local wrong_way = said:find("receive-only", 1, true) or said:find("send-only", 1, true)
          ok = ok or wrong_way and classes[sample[2]] and is_a(sample[2], "goroutine.View")
          assert(ok, ("argument %d is declared as %s, and a %s for it: %s"):format(i, param.type, sample[2], said))
        end
      end
    end
  end)
end

-- What is passed on to a function must be able to cross; what nobody looks at is just ignored.
function checks.more_arguments()
  each(function(f)
    local arguments = right_arguments(f, #f.params)
    arguments[#f.params + 1] = coroutine.create(noop)
    local results = call(f, arguments, #f.params + 1)
    local passed_on = not results[1] and tostring(results[2]):find("cannot send argument", 1, true) ~= nil
    assert(passed_on or results[1], tostring(results[2]))
    assert(passed_on == (f.vararg or false), f.vararg and "`...` is declared, and not used" or "`...` is used, and not declared")
  end)
end

-- What a table of options may have is told by the error for one that nobody knows.
function checks.options()
  local seen = {}
  each(function(f)
    for i, param in ipairs(f.params) do
      for _, member in ipairs(simple(param.type, f.generics)) do
        local name = member:gsub("%[%]$", "")
        local class = classes[name]
        if class and not class.object then
          seen[name] = true
          local function with(field, value)
            local options = value_of(name)
            options[field] = value
            local arguments = right_arguments(f, #f.params)
            arguments[i] = member == name and options or { options }
            return call(f, arguments, #f.params)
          end
          local results = with(("x"):rep(40), 1)
          local known = tostring(results[2]):match("expected one of: ([%w_, ]+)%)")
          assert(known, "no list of options in: " .. tostring(results[2]))
          local listed = {}
          for option in known:gmatch("[%w_]+") do
            listed[option] = true
            assert(class.fields[option], name .. " lacks the option " .. option)
          end
          for option, field in pairs(class.fields) do
            assert(listed[option], name .. " has an option that the module does not know: " .. option)
            -- The fields of cases depend on each other.
            if not tables[name] then
              results = with(option, value_of_field(name, option))
              local too_late = f.name == "configure" and tostring(results[2]):find("before the first goroutine", 1, true)
              assert(results[1] or too_late, name .. "." .. option .. ": " .. tostring(results[2]))
              for _, sample in ipairs(samples()) do
                if not admits(field.type, sample[2]) then
                  local ok, said = refused(f, with(option, sample[1]), i)
                  assert(ok and said:find("'" .. option .. "'", 1, true), name .. "." .. option .. " = a " .. sample[2] .. ": " .. said)
                end
              end
            end
          end
        end
      end
    end
  end)
  for name in pairs(tables) do
    assert(seen[name], "no options are called " .. name)
  end
end

-- As long as there is no goroutine.
function checks.options_of_configure()
  local count = 0
  for option in pairs(classes["goroutine.ConfigureOptions"].fields) do
    goroutine.configure({ [option] = value_of_field("goroutine.ConfigureOptions", option) })
    count = count + 1
  end
  assert(count > 1, "no options are declared")
end

function checks.cases_of_select()
  local declared_fields = classes["goroutine.SelectCase"].fields
  local context, cancel = goroutine.context()
  cancel()
  local cases = {
    { channel = closed_channel(), receive = true }, { channel = closed_channel(), send = 1 },
    { channel = closed_channel(), op = "send", value = 1 }, { handle = make["goroutine.Handle"]() }, { context = context },
    { after = 0 }, { default = true },
  }
  local used = {}
  for _, case in ipairs(cases) do
    case.handler = noop
    assert(goroutine.select({ case }) == 1)
    for name, value in pairs(case) do
      used[name] = true
      fits(declared_fields[name].type, value, nil, name)
    end
  end
  for name in pairs(declared_fields) do
    assert(used[name], "a field of cases that is not tried: " .. name)
  end
end

-- The fields that only some results have.
function checks.results()
  local failed, slow = goroutine.async(function() error("expected", 0) end), goroutine.async(goroutine.sleep, 60000)
  failed:await()
  local results = goroutine.await_all({ make["goroutine.Handle"](), failed, slow }, 10)
  slow:cancel()
  local used = {}
  for i, result in ipairs(results) do
    fits("goroutine.Result", result, nil, "result " .. i)
    for name in pairs(result) do
      used[name] = true
    end
  end
  for name in pairs(classes["goroutine.Result"].fields) do
    assert(used[name], "a field that no result has: " .. name)
  end
end

-- In the page: `name(a [, b])` in the first column of tables, and in lines that begin so.
function checks.signatures_in_the_page()
  local signatures, found = {}, {}
  for _, f in ipairs(functions) do
    local list, open = {}, 0
    for i, param in ipairs(f.params) do
      list[#list + 1] = param.optional and "[" .. param.name .. "]" or param.name
      open = i
    end
    if f.vararg then
      list[open + 1] = "..."
    end
    signatures[f.owner == MODULE and f.name or ":" .. f.name] = signatures[f.owner == MODULE and f.name or ":" .. f.name] or {}
    local all = signatures[f.owner == MODULE and f.name or ":" .. f.name]
    all[table.concat(list, ", ")] = true
  end
  local function compare(text)
    local name, list = text:match("^([%w_:]+)(%b())$")
    name = name and name:gsub("^%l+:", ":")
    if not name or name ~= ":" and not signatures[name] then
      assert(not name or not name:find("^:"), "the page has a method that is not declared: " .. text)
      return
    end
    local params, depth = {}, 0
    for token in list:sub(2, -2):gsub(" = [%w_]+", ""):gmatch("[%[%],]?%s?[%w_%.]*") do
      depth = token:find("^%[") and depth + 1 or depth
      local word = token:match("[%w_%.]+$")
      if word then
        params[#params + 1] = depth > 0 and "[" .. word .. "]" or word
      end
    end
    local wanted = {}
    for signature in pairs(signatures[name]) do
      wanted[#wanted + 1] = signature
    end
    local here = table.concat(params, ", ")
    assert(signatures[name][here], ("the page says %s, declared is: %s"):format(text, table.concat(wanted, "; or ")))
    found[name] = true
  end
  for line in page:gmatch("[^\n]+") do
    local cell = line:match("^| (`.-) |") or line:match("^(`.*)$")
    for text in (cell or ""):gmatch("`([^`]+)`") do
      compare(text)
    end
  end
  for name in pairs(goroutine) do
    assert(found[name] or name == "_VERSION" or found["channel_" .. name], "the page has no row for " .. name)
  end
end

-- Runs one of the checks.
return function(name)
  local check = assert(checks[name], "no check is called " .. name)
  goroutine.scope(function(s)
    scope = s
    check()
  end)
end, checks
