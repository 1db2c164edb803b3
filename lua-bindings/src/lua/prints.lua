-- `print`, `io.write`, and the method `write` of standard output and standard error, where the host takes what they write. They are in
-- Lua, and need no reference of Rust's, so that they do their work while the state is being closed, too.
-- Called with: put(stream, text), which gives the text to the host, and waits where that has to be; printed(...), what `print` writes
-- (printed.lua). Gives the first two.
local put, printed = ...

local io, concat, error, getmetatable, select, type = io, table.concat, error, getmetatable, select, type
local io_type, output = io.type, io.output
local out, err = io.stdout, io.stderr
local methods = getmetatable(out).__index
local raw_write = methods.write
local STDOUT, STDERR = 1, 2

-- What is to be written, in one piece. Called by what the script has called.
local function text_of(first, ...)
  if select("#", ...) == 0 and type(first) == "string" then
    return first
  end
  local parts = { first, ... }
  for i = 1, select("#", ...) + 1 do
    local kind = type(parts[i])
    if kind ~= "string" and kind ~= "number" then
      error("bad argument #" .. i .. " to 'write' (string expected, got " .. kind .. ")", 3)
    end
  end
  return concat(parts)
end

local function write(file, ...)
  if select("#", ...) == 0 or io_type(file) ~= "file" then
    return raw_write(file, ...)
  end
  local text = text_of(...)
  if file ~= out and file ~= err then
    return raw_write(file, text)
  end
  put(file == out and STDOUT or STDERR, text)
  return file
end

methods.write = write

return {
  write = function(...)
    return write(output(), ...)
  end,
  print = function(...)
    put(STDOUT, (printed(...)))
  end,
}
