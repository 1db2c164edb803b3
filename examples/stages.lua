-- Three stages: makes the sorted list of all words in a folder of texts. Within a stage everything runs at once; a wait
-- group ends the stage, and the next begins with what came out of it.
--
--   sloth-runner run examples/stages.lua [-- FOLDER]

local goroutine = require("goroutine")

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/lib/?.lua;" .. package.path
local files = require("files")

local function fail(message)
  io.stderr:write("stages: ", message, "\n")
  os.exit(1)
end

-- Calls fn with each input, in a goroutine each, and gives the outputs in the order of the inputs.
local function run_stage(name, inputs, fn)
  local group, outputs = goroutine.wait_group(), goroutine.channel(#inputs)
  group:add(#inputs)
  for index, input in ipairs(inputs) do
    goroutine.spawn(function()
      -- An error must not keep the group from being told, or else the stage would never end.
      local ok, output = pcall(fn, input)
      outputs:send({ index = index, ok = ok, output = output })
      group:done()
    end)
  end
  group:wait()
  outputs:close()

  local ordered = {}
  outputs:range(function(result)
    if not result.ok then
      fail(result.output)
    end
    ordered[result.index] = result.output
  end)
  print(("stage %s: %d at once"):format(name, #inputs))
  return ordered
end

-- Stage 1: the words of one file, sorted, each once.
local function sorted_words(path)
  local text, err = files.read(path)
  if not text then
    error(err, 0)
  end
  local seen, words = {}, {}
  for word in text:lower():gmatch("%a+") do
    if not seen[word] then
      seen[word] = true
      words[#words + 1] = word
    end
  end
  table.sort(words)
  return words
end

-- Stages 2 and 3: one sorted list of several.
local function merge(lists)
  local merged, positions = {}, {}
  for i = 1, #lists do
    positions[i] = 1
  end
  while true do
    local least
    for i, list in ipairs(lists) do
      local word = list[positions[i]]
      if word and (not least or word < least) then
        least = word
      end
    end
    if not least then
      return merged
    end
    merged[#merged + 1] = least
    for i, list in ipairs(lists) do
      if list[positions[i]] == least then
        positions[i] = positions[i] + 1
      end
    end
  end
end

-- Splits a list into lists of `size`.
local function groups_of(size, list)
  local groups = {}
  for first = 1, #list, size do
    groups[#groups + 1] = { table.unpack(list, first, math.min(first + size - 1, #list)) }
  end
  return groups
end

local folder = arg[1] or here .. "/data/texts"
local paths, err = files.list(folder, "txt")
if not paths then
  fail(err)
elseif #paths == 0 then
  fail("no file ends in .txt in " .. folder)
end

local lists = run_stage("1, read and sort", paths, sorted_words)
local partly = run_stage("2, merge in fours", groups_of(4, lists), merge)
local words = run_stage("3, merge all", { partly }, merge)[1]

print(("%d different words"):format(#words))
if #words > 0 then
  print(("from '%s' to '%s'"):format(words[1], words[#words]))
  local longest = words[1]
  for _, word in ipairs(words) do
    if #word > #longest then
      longest = word
    end
  end
  print(("the longest: '%s'"):format(longest))
end
