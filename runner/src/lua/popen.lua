-- io.popen for goroutines, which must not block their isolate: the command runs to its end, or gets all that was written, at
-- once, and the goroutine parks meanwhile. Called with: run, which is exec.run; the table io. Gives what makes such a file.
local run, io = ...

local error, type, select, setmetatable, tonumber, tostring = error, type, select, setmetatable, tonumber, tostring
local concat, stderr = table.concat, io.stderr

local methods = {}
local metatable = { __index = methods, __name = "FILE*" }

function metatable.__tostring(self)
  return self.closed and "file (closed)" or "file (of a command)"
end

local function open(self, what)
  if type(self) ~= "table" or getmetatable(self) ~= metatable then
    error("bad argument #1 to '" .. what .. "' (FILE* expected, got " .. type(self) .. ")", 3)
  elseif self.closed then
    error("attempt to use a closed file", 3)
  end
  return self
end

-- What one format gives; nil at the end.
local function one(self, format)
  local text, at = self.text, self.at
  if type(format) == "number" then
    if at > #text then
      return nil
    end
    self.at = at + format
    return text:sub(at, at + format - 1)
  end
  format = tostring(format):gsub("^%*", ""):sub(1, 1)
  if format == "a" then
    self.at = #text + 1
    return text:sub(at)
  elseif format == "n" then
    local from, to = text:find("^%s*[%w%.%+%-]+", at)
    self.at = to and to + 1 or at
    return from and tonumber(text:sub(from, to))
  elseif format == "l" or format == "L" then
    if at > #text then
      return nil
    end
    local stop = text:find("\n", at, true)
    self.at = (stop or #text) + 1
    return text:sub(at, (format == "L" or not stop) and (stop or #text) or stop - 1)
  end
  error("bad argument #1 to 'read' (invalid format)", 4)
end

local function read(self, ...)
  if not self.text then
    return nil, "the command is written to", 9
  end
  local results, n = {}, select("#", ...)
  if n == 0 then
    return one(self, "l")
  end
  for i = 1, n do
    results[i] = one(self, (select(i, ...)))
    if results[i] == nil then
      return table.unpack(results, 1, i)
    end
  end
  return table.unpack(results, 1, n)
end

function methods.read(self, ...)
  return read(open(self, "read"), ...)
end

function methods.lines(self, ...)
  open(self, "lines")
  local formats = { n = select("#", ...), ... }
  return function()
    return read(open(self, "lines"), table.unpack(formats, 1, formats.n))
  end
end

function methods.write(self, ...)
  open(self, "write")
  if not self.parts then
    return nil, "the command is read from", 9
  end
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    if type(part) ~= "string" and type(part) ~= "number" then
      error("bad argument #" .. i .. " to 'write' (string expected, got " .. type(part) .. ")", 2)
    end
    self.parts[#self.parts + 1] = part
  end
  return self
end

function methods.flush(self)
  return open(self, "flush")
end

function methods.setvbuf(self)
  open(self, "setvbuf")
  return true
end

function methods.close(self)
  open(self, "close")
  self.closed = true
  if self.parts then
    local result, err = run(self.command, { stdin = concat(self.parts) })
    if not result then
      return nil, err
    end
    stderr:write(result.stderr)
    io.write(result.stdout)
    self.code = result.exit_code
  end
  local signal = self.code > 128
  return self.code == 0 or nil, signal and "signal" or "exit", signal and self.code - 128 or self.code
end

metatable.__close = function(self)
  if not self.closed then
    methods.close(self)
  end
end

-- A file to be written to, for `command`; or one with what a command has printed.
return function(command, text, code)
  return setmetatable({ command = command, parts = command and {}, text = text, code = code, at = 1 }, metatable)
end
