-- Counts the words in a folder of text files, a goroutine for each file, and prints the ten most frequent.
--
--   sloth-runner run examples/word_count.lua [-- FOLDER]

local goroutine = require("goroutine")

-- The examples' own modules lie beside this file, wherever it is run from.
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path
local files = require("files")

local folder = arg[1] or here .. "/data/texts"

local function fail(message)
  io.stderr:write("word_count: ", message, "\n")
  os.exit(1)
end

-- Runs in a goroutine. `files` is a module, so the goroutine loads its own.
local function count_words(path)
  local text, err = files.read(path)
  if not text then
    error(err, 0)
  end
  local counts = {}
  for word in text:lower():gmatch("%a+") do
    counts[word] = (counts[word] or 0) + 1
  end
  -- What is returned is copied to whoever awaits: a table of counts is much smaller than the text it was made from.
  return counts
end

local paths, err = files.list(folder, "txt")
if not paths then
  fail(err)
elseif #paths == 0 then
  fail("no file ends in .txt in " .. folder)
end

-- All files are under way before the first result is looked at.
local handles = {}
for i, path in ipairs(paths) do
  handles[i] = goroutine.async(count_words, path)
end

-- Goroutines have copies of the script's variables, so none of them could add to `total`. Each counts for itself, and
-- here the counts are put together, whichever file was ready first.
local total, words = {}, 0
for _, result in ipairs(goroutine.await_all(handles)) do
  if not result.success then
    fail(result.error)
  end
  for word, count in pairs(result.values[1]) do
    total[word] = (total[word] or 0) + count
    words = words + count
  end
end

local ranking = {}
for word in pairs(total) do
  ranking[#ranking + 1] = word
end
-- Words that are equally frequent are in alphabetical order, so that the list is always the same.
table.sort(ranking, function(a, b)
  if total[a] ~= total[b] then
    return total[a] > total[b]
  end
  return a < b
end)

print(("%d words, %d different, in %d files"):format(words, #ranking, #paths))
for i = 1, math.min(10, #ranking) do
  print(("%6d  %s"):format(total[ranking[i]], ranking[i]))
end
