-- Prints the SHA-256 of files, in the format of sha256sum, so that `sha256sum -c` can check them. The sums are computed
-- in plain Lua by a pool, on all cores.
--
--   sloth-runner run examples/checksums.lua [-- FILE OR FOLDER ...]

local goroutine = require("goroutine")

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path
local files = require("files")
local sha256 = require("sha256")

local function fail(message)
  io.stderr:write("checksums: ", message, "\n")
  os.exit(1)
end

local paths = {}
for i = 1, math.max(1, #arg) do
  local list, err = files.list(arg[i] or here .. "/data/texts")
  if not list then
    fail(err)
  end
  table.move(list, 1, #list, #paths + 1, paths)
end
if #paths == 0 then
  fail("no files to read")
end

-- Four files are open at once, however many there are; eight more wait for their turn. When these are there too,
-- submitting waits, and so a list of a million files does not fill the memory with goroutines.
goroutine.pool_create("checksums", { workers = 4, queue = 8 })

local handles = {}
for i, path in ipairs(paths) do
  local handle, err = goroutine.pool_async("checksums", function()
    local contents, why = files.read(path)
    if not contents then
      error(why, 0)
    end
    return sha256(contents)
  end)
  if not handle then
    fail(err)
  end
  handles[i] = handle
end

local lines, failures = {}, {}
for i, result in ipairs(goroutine.await_all(handles)) do
  if result.success then
    lines[#lines + 1] = { name = paths[i], sum = result.values[1] }
  else
    failures[#failures + 1] = result.error
  end
end
goroutine.pool_close("checksums")

table.sort(lines, function(a, b)
  return a.name < b.name
end)
for _, line in ipairs(lines) do
  print(line.sum .. "  " .. line.name)
end

-- A file that can't be read does not keep the others from being printed.
if #failures > 0 then
  fail(table.concat(failures, "\nchecksums: "))
end
