-- What goroutines have in place of functions of `io` and `os` that wait for other processes, or for input: they park. Outside
-- goroutines, and where a goroutine cannot park, these do what Lua's own do. Called with: the primitives; settle (base.lua); wrong,
-- which raises a message at the script's line; what the host has put in their place before, by name, which stays.
-- Gives those that were replaced, by their names.
local prim, settle, wrong, hosts = ...

local io, os, select, type, error, pcall = io, os, select, type, error, pcall
local tostring, unpack = tostring, table.unpack or unpack
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

replace(os, "execute", function(raw)
  local execute = prim.execute
  return function(...)
    if parks() then
      return settle(execute(...))
    end
    return raw(...) -- while a module is being loaded, or in a function that a C function has called
  end
end)

-- The files of commands.

local file_type = prim.file_type

-- A method: parks, or blocks where it cannot.
local function method(name)
  local parking, blocking = prim["file_" .. name], prim["file_" .. name .. "_now"]
  local in_isolate = prim.in_isolate
  return function(...)
    if parks() or not (in_isolate or running()) then
      return settle(parking(...))
    end
    return settle(blocking(...))
  end
end

local read, write, flush, close = method("read"), method("write"), method("flush"), method("close")
local methods = { read = read, flush = flush, close = close }

-- The file itself, if it was written to.
local function itself(self, first, ...)
  if first then
    return self
  end
  return first, ...
end

function methods.write(self, ...)
  return itself(self, write(self, ...))
end

function methods.lines(self, ...)
  if file_type(self) == "closed file" then
    wrong("attempt to use a closed file")
  end
  local n, formats = select("#", ...), { ... }
  local function given(first, message, ...)
    if first == nil and message then
      wrong(message)
    end
    return first, message, ...
  end
  return function()
    if file_type(self) == "closed file" then
      wrong("file is already closed")
    end
    return given(read(self, unpack(formats, 1, n)))
  end
end

function methods.setvbuf(self)
  if file_type(self) ~= "file" then
    wrong("attempt to use a closed file")
  end
  return true -- what is written is on its way
end

function methods.seek(self)
  if file_type(self) ~= "file" then
    wrong("attempt to use a closed file")
  end
  return nil, "Illegal seek", 29
end

function methods.__close(self)
  if file_type(self) == "file" then
    close(self)
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
  return function(...)
    if not parks() then
      return raw(...)
    end
    stdout:flush() -- what was printed before comes before what the command prints
    return settle(popen(...))
  end
end)

replace(io, "type", function(raw)
  return function(...)
    return file_type((...)) or raw(...)
  end
end)

replace(io, "close", function(raw)
  return function(...)
    if file_type((...)) then
      return close((...))
    end
    return raw(...)
  end
end)

-- The program's own input. Before it is read in place it is waited for; one goroutine reads at a time.

local begin, finish = prim.input_begin, prim.input_end

local function read_of(ok, ...)
  finish()
  if not ok then
    wrong((tostring((...)):gsub("'%?'", "'read'", 1))) -- called by pcall, it does not know its name
  end
  return ...
end

local function is_input()
  local ok, input = pcall(io.input)
  return ok and input == io.stdin
end

replace(io, "read", function(raw)
  return function(...)
    if parks() and is_input() then
      settle(begin())
      return read_of(pcall(raw, ...))
    end
    return raw(...)
  end
end)

replace(io, "lines", function(raw)
  local io_read = io.read
  return function(...)
    if (...) ~= nil or not (parks() and is_input()) then
      return raw(...)
    end
    local n, formats = select("#", ...), { ... }
    return function()
      return io_read(unpack(formats, 2, n))
    end
  end
end)

return replaced
