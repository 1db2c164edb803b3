-- `print`, `io.write`, and the method `write` of standard output and standard error, where the host takes what they write. They are in
-- Lua, and need no reference of Rust's, so that they do their work while the state is being closed, too.
-- Called with: put(stream, text), which gives the text to the host, and waits where that has to be; printed(...), what `print` writes
-- (printed.lua); refuse (raw/refusal.rs). Gives the first two.
local put, printed, refuse = ...

local io, concat, getmetatable, pcall, select, type = io, table.concat, getmetatable, pcall, select, type
local io_type, output = io.type, io.output
local out, err = io.stdout, io.stderr
local methods = getmetatable(out).__index
local raw_write = methods.write
local STDOUT, STDERR = 1, 2

-- What is to be written, in one piece; or nil, and what is wrong with it.
local function text_of(...)
  local first, count = (...), select("#", ...)
  if count == 1 and type(first) == "string" then
    return first
  end
  local parts = { ... }
  for i = 1, count do
    local kind = type(parts[i])
    if kind ~= "string" and kind ~= "number" then
      return nil, "bad argument #" .. i .. " to '?' (string expected, got " .. kind .. ")"
    end
  end
  return concat(parts)
end

local function write(file, text)
  if file ~= out and file ~= err then
    return raw_write(file, text)
  end
  put(file == out and STDOUT or STDERR, text)
  return file
end

function methods.write(...)
  local file = ...
  if io_type(file) ~= "file" then
    refuse(pcall(raw_write, ...))
  end
  local text, wrong = text_of(select(2, ...))
  if wrong then
    refuse(false, wrong, true)
  end
  return write(file, text)
end

return {
  write = function(...)
    local text, wrong = text_of(...)
    if wrong then
      refuse(false, wrong)
    end
    return write(output(), text)
  end,
  print = function(...)
    put(STDOUT, (printed(...)))
  end,
}
