-- async and await_all: measures several files at once. Two of the default ones can't be measured, and each result says
-- for itself whether it is one.
--
--   sloth-runner run examples/async_all.lua [-- FILE ...]

local goroutine = require("goroutine")

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path
local files = require("files")

local paths = {}
for i, path in ipairs(arg) do
  paths[i] = path
end
if #paths == 0 then
  for i, name in ipairs({ "texts/sloth.txt", "empty.txt", "texts/river.txt", "nowhere.txt", "texts/kitchen.txt" }) do
    paths[i] = here .. "/data/" .. name
  end
end

-- Gives the number of lines and the longest of them. A goroutine may return several values, as any function.
local function measure(path)
  local text = files.read(path)
  if not text then
    error("cannot be read", 0)
  elseif text == "" then
    -- An error can be any value, and it arrives as it is.
    error({ kind = "empty", advice = "write something into it" })
  end
  local lines, longest = 0, ""
  for line in text:gmatch("[^\n]+") do
    lines = lines + 1
    if #line > #longest then
      longest = line
    end
  end
  return lines, longest
end

local handles = {}
for i, path in ipairs(paths) do
  -- Returns at once; the file is measured elsewhere, while the next goroutine is started.
  handles[i] = goroutine.async(measure, path)
end

-- One result for each handle, in the same order, whatever was ready first. An error in one of them is no error here.
local results = goroutine.await_all(handles)

local failures = 0
for i, result in ipairs(results) do
  local name = files.name(paths[i])
  if result.success then
    local lines, longest = table.unpack(result.values, 1, result.values.n)
    print(("%s: %d lines, the longest: %s"):format(name, lines, longest))
  else
    failures = failures + 1
    local err = result.error
    if type(err) == "table" then
      err = err.kind .. ": " .. err.advice
    end
    print(("%s: failed: %s"):format(name, err))
  end
end
print(("%d of %d failed"):format(failures, #results))

-- A single handle is awaited with `await`, as often as one likes.
local ok, lines = goroutine.await(handles[1])
print("the first again: " .. (ok and lines .. " lines" or "failed"))
-- With nothing measured there was no point in running this.
if failures == #results then
  os.exit(1)
end
