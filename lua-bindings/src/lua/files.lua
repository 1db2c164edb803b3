-- What goroutines have in place of functions of `io` and `os` that wait for other processes, or for input: they park. Outside
-- goroutines, and where a goroutine cannot park, these do what Lua's own do. Called with: the primitives; settle and attempt
-- (base.lua); wrong, which raises a message at the script's line; what the host has put in their place before, by name, which
-- stays. Gives those that were replaced, by their names.
local prim, settle, attempt, wrong, hosts = ...

local io, os, select, type, error, pcall, jit = io, os, select, type, error, pcall, rawget(_G, "jit")
local tostring, tonumber, unpack, refuse = tostring, tonumber, table.unpack or unpack, prim.refuse
local pack = table.pack or function(...)
  return { n = select("#", ...), ... }
end
local isyieldable, running = coroutine.isyieldable, prim.in_goroutine
local replaced = {}

if type(io) ~= "table" or not isyieldable then
  return replaced
end

local function parks()
  return running() and isyieldable()
end

local function replace(library, name, make)
  local before = library[name]
  if type(before) == "function" and not hosts[name] then
    library[name] = make(before)
    replaced[name] = library[name]
  end
end

-- A function in the place of a standard one: wrong calls of it read as if that had been called. `act` gives what primitives give.
-- `method`: its text counts the arguments of a method.
local function standing(act, method)
  return function(...)
    local results = pack(act(...))
    local how = results[1]
    if how == 2 then
      refuse(false, results[2], method)
    elseif how ~= 0 then
      error(results[2], 0)
    end
    return unpack(results, 2, results.n)
  end
end

-- What a standard function does, called by pcall, as primitives say it.
local function as_primitive(ok, ...)
  return ok and 0 or 2, ...
end

replace(os, "execute", function(raw)
  local execute = prim.execute
  return standing(function(...)
    if parks() then
      return attempt(execute(...))
    end
    return as_primitive(pcall(raw, ...)) -- while a module is being loaded, or in a function that a C function has called
  end)
end)

-- The files of commands.

local file_type = prim.file_type

-- A method: parks, or blocks where it cannot.
local function method(name)
  local parking, blocking = prim["file_" .. name], prim["file_" .. name .. "_now"]
  local in_isolate = prim.in_isolate
  return function(...)
    if parks() or not (in_isolate or running()) then
      return attempt(parking(...))
    end
    return attempt(blocking(...))
  end
end

local read, write, close = method("read"), method("write"), method("close")
local methods = {
  read = standing(read, true),
  flush = standing(method("flush"), true),
  close = standing(close, true),
}

-- The file itself, if it was written to.
local function itself(self, how, first, ...)
  if how == 0 and first then
    return how, self
  end
  return how, first, ...
end

methods.write = standing(function(self, ...)
  return itself(self, write(self, ...))
end, true)

-- Why the file of a method is none that can be used, if so.
local function unusable(count, self)
  local kind = file_type(self)
  if not kind then
    return "calling '?' on bad self (FILE* expected, got " .. (count == 0 and "no value" or type(self)) .. ")"
  elseif kind == "closed file" then
    return "attempt to use a closed file"
  end
end

-- Why argument `n` of those is none of these options, if so.
local function unknown(options, n, ...)
  local given = select(n, ...)
  if type(given) ~= "string" and type(given) ~= "number" then
    return "bad argument #" .. n .. " to '?' (string expected, got " .. (select("#", ...) < n and "no value" or type(given)) .. ")"
  elseif not options[given] then
    return "bad argument #" .. n .. " to '?' (invalid option '" .. given .. "')"
  end
end

local function lines(self, ...)
  local n, formats = select("#", ...), { ... }
  local function given(first, message, ...)
    if first == nil and message then
      wrong(message)
    end
    return first, message, ...
  end
  return function()
    if file_type(self) == "closed file" then
      wrong(jit and "attempt to use a closed file" or "file is already closed")
    end
    return given(settle(read(self, unpack(formats, 1, n))))
  end
end

function methods.lines(...)
  local why = unusable(select("#", ...), (...))
  if why then
    refuse(false, why, true)
  end
  return lines(...)
end

local BUFFERS, FROM = { no = true, full = true, line = true }, { set = true, cur = true, ["end"] = true }

function methods.setvbuf(...)
  local why = unusable(select("#", ...), (...)) or unknown(BUFFERS, 1, select(2, ...))
  if why then
    refuse(false, why, true)
  end
  return true -- what is written is on its way
end

function methods.seek(...)
  local _, from, offset = ...
  local why = unusable(select("#", ...), (...))
  why = why or from ~= nil and unknown(FROM, 1, from)
  if not why and offset ~= nil and not tonumber(offset) then
    why = "bad argument #2 to '?' (number expected, got " .. type(offset) .. ")"
  end
  if why then
    refuse(false, why, true)
  end
  return nil, "Illegal seek", 29
end

function methods.__close(self)
  if file_type(self) == "file" then
    settle(close(self))
  end
end

local addresses = setmetatable({}, { __mode = "k" })

function methods.__tostring(self)
  if file_type(self) == "closed file" then
    return "file (closed)"
  end
  addresses[self] = addresses[self] or tostring({}):gsub("^table: ", "")
  return "file (" .. addresses[self] .. ")"
end

prim.keep_file_methods(methods)

replace(io, "popen", function(raw)
  local popen, stdout = prim.popen, io.stdout
  return standing(function(...)
    if not parks() then
      return as_primitive(pcall(raw, ...))
    end
    stdout:flush() -- what was printed before comes before what the command prints
    return attempt(popen(...))
  end)
end)

replace(io, "type", function(raw)
  return function(...)
    if select("#", ...) == 0 then
      refuse(pcall(raw))
    end
    return file_type((...)) or raw(...)
  end
end)

replace(io, "close", function(raw)
  return standing(function(...)
    if file_type((...)) then
      return close((...))
    end
    return as_primitive(pcall(raw, ...))
  end)
end)

-- The program's own input. Before it is read in place it is waited for; one goroutine reads at a time.

local begin, finish = prim.input_begin, prim.input_end

local function read_of(...)
  finish()
  return as_primitive(...)
end

local function is_input()
  local ok, input = pcall(io.input)
  return ok and input == io.stdin
end

replace(io, "read", function(raw)
  return standing(function(...)
    if parks() and is_input() then
      settle(begin())
      return read_of(pcall(raw, ...))
    end
    return as_primitive(pcall(raw, ...))
  end)
end)

replace(io, "lines", function(raw)
  local io_read = io.read
  return standing(function(...)
    if (...) ~= nil or not (parks() and is_input()) then
      return as_primitive(pcall(raw, ...))
    end
    local n, formats = select("#", ...), { ... }
    return 0, function()
      return io_read(unpack(formats, 2, n))
    end
  end)
end)

return replaced
