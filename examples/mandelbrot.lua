-- Computes a picture of the Mandelbrot set, a goroutine for each row, and writes it as a PGM file (grey, binary).
--
--   sloth-runner run examples/mandelbrot.lua [-- WIDTH [HEIGHT [FILE]]]

local goroutine = require("goroutine")

local function fail(message)
  io.stderr:write("mandelbrot: ", message, "\n")
  os.exit(1)
end

local function size(text, default, what)
  local number = tonumber(text or default)
  if not number or number % 1 ~= 0 or number < 1 or number > 10000 then
    fail(("the %s has to be a whole number from 1 to 10000, not '%s'"):format(what, text))
  end
  return math.floor(number)
end

local width = size(arg[1], 480, "width")
local height = size(arg[2], 320, "height")
local path = arg[3] or (os.getenv("TMPDIR") or "/tmp") .. "/mandelbrot.pgm"

-- Opened before the work, so that a wrong path is known at once. It stays at home: a file cannot go to a goroutine.
local file, err = io.open(path, "wb")
if not file then
  fail(err)
end

local LIMIT = 255

-- The pixels of one row, a byte each. Nothing here waits, so the rows are spread over all cores; the picture is
-- 3.2 wide and centred on -0.6 + 0i.
local function row(y)
  local step = 3.2 / width
  local ci = (y - (height - 1) / 2) * step
  local pixels = {}
  for x = 0, width - 1 do
    local cr = -0.6 + (x - (width - 1) / 2) * step
    local zr, zi, n = 0.0, 0.0, 0
    while n < LIMIT and zr * zr + zi * zi <= 4.0 do
      zr, zi = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci
      n = n + 1
    end
    pixels[x + 1] = string.char(LIMIT - n)
  end
  return table.concat(pixels)
end

local started, cpu = goroutine.now(), os.clock()

-- Rows differ a lot in how long they take. That needs no planning: each goes to whichever core is free next.
local handles = {}
for y = 0, height - 1 do
  handles[y + 1] = goroutine.async(row, y)
end

local rows = {}
for y, handle in ipairs(handles) do
  local ok, pixels = goroutine.await(handle)
  if not ok then
    error(pixels, 0)
  end
  rows[y] = pixels
end
local picture = table.concat(rows)

local seconds, cpu_seconds = (goroutine.now() - started) / 1000, os.clock() - cpu

-- Adler-32: two sums over the bytes, modulo the largest prime below 65536.
local function adler32(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return ("%04x%04x"):format(b, a)
end

local written, why = file:write(("P5\n%d %d\n%d\n"):format(width, height, LIMIT), picture)
if written then
  -- What was buffered may still fail, such as on a full disk.
  written, why = file:close()
end
if not written then
  fail(path .. ": " .. why)
end

print(("size: %d x %d"):format(width, height))
print("adler32: " .. adler32(picture))
print("file: " .. path)
-- More seconds of CPU than of time mean that several cores were at work.
print(("time: %.2f s, %.2f s of CPU"):format(seconds, cpu_seconds))
