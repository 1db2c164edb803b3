-- Heat spreading along a rod, computed by several goroutines in step: in each step every goroutine computes its own part of
-- the rod from the step before, and a barrier keeps all of them together. The rod of the next step must not be read
-- before it is whole, nor that of this step be written while others still read it.
--
--     sloth-runner run examples/barrier_simulation.lua [CELLS [STEPS [WORKERS]]]
--
-- What runs in parallel gives exactly what a plain loop gives: the program checks that.
local goroutine = require("goroutine")

local function number(index, default, name)
  local given = arg and arg[index]
  local value = given and tonumber(given) or default
  if given and (not tonumber(given) or value < 1 or value % 1 ~= 0) then
    io.stderr:write(("barrier_simulation: %s must be a whole number of at least 1, got '%s'\n"):format(name, given))
    os.exit(1)
  end
  return value
end

local cells = number(1, 120, "CELLS")
local steps = number(2, 200, "STEPS")
local workers = math.min(number(3, 4, "WORKERS"), cells)

-- Heat in thousandths, as whole numbers: so the order of computing cannot change the result.
local function beginning(cell)
  return cell == 1 and 1000000 or 0
end

local function next_heat(left, own, right)
  return own + math.floor((left - 2 * own + right) / 4)
end

-- Each goroutine has a part of the rod. What it needs of its neighbours are their outermost cells, which they leave in
-- atomic integers; the barrier says when these are there, and when they have been read.
local barrier = goroutine.barrier(workers)
local lefts, rights = {}, {}
for worker = 1, workers do
  lefts[worker], rights[worker] = goroutine.atomic_int(), goroutine.atomic_int()
end

local function part(worker)
  local first = math.floor((worker - 1) * cells / workers) + 1
  local last = math.floor(worker * cells / workers)
  local heat = {}
  for cell = first, last do
    heat[cell - first + 1] = beginning(cell)
  end
  local count, led = #heat, 0
  for _ = 1, steps do
    lefts[worker]:store(heat[1])
    rights[worker]:store(heat[count])
    local _, leader = barrier:wait() -- all have written
    if leader then
      led = led + 1
    end
    -- Beyond its ends the rod is as warm as at its ends: no heat is lost there.
    local before = worker > 1 and rights[worker - 1]:load() or heat[1]
    local after = worker < workers and lefts[worker + 1]:load() or heat[count]
    barrier:wait() -- all have read
    local following = {}
    for cell = 1, count do
      following[cell] = next_heat(heat[cell - 1] or before, heat[cell], heat[cell + 1] or after)
    end
    heat = following
  end
  return heat, led
end

local started = goroutine.now()
local handles = {}
for worker = 1, workers do
  handles[worker] = goroutine.async(part, worker)
end
local rod, led = {}, 0
for _, handle in ipairs(handles) do
  local ok, heat, leads = handle:await()
  if not ok then
    error(heat, 0)
  end
  for _, value in ipairs(heat) do
    rod[#rod + 1] = value
  end
  led = led + leads
end

local plain = {}
for cell = 1, cells do
  plain[cell] = beginning(cell)
end
for _ = 1, steps do
  local following = {}
  for cell = 1, cells do
    following[cell] = next_heat(plain[cell - 1] or plain[cell], plain[cell], plain[cell + 1] or plain[cell])
  end
  plain = following
end
for cell = 1, cells do
  assert(rod[cell] == plain[cell], "cell " .. cell .. " differs from that of the plain loop")
end

print(("%d cells, %d steps, %d goroutines: as a plain loop computes it"):format(cells, steps, workers))
print(("leaders: %d, one for each step"):format(led))
for _, cell in ipairs({ 1, 2, 5, 10, 20, 40 }) do
  if cell <= cells then
    print(("cell %3d: %.3f"):format(cell, rod[cell] / 1000))
  end
end
print(("time: %.1f ms"):format(goroutine.now() - started))
