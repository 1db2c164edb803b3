-- Structured concurrency: goroutines of a scope end with it, and the first error stops the others.
-- Loads the parts of a page, all at once; given the name of a part, that one fails.
--
--   sloth-runner run examples/scope.lua [-- PART]

local goroutine = require("goroutine")

local PARTS = { "header", "menu", "article", "comments", "footer" }

local broken = arg[1] or "menu"
local known = false
for _, part in ipairs(PARTS) do
  known = known or part == broken
end
if not known then
  io.stderr:write(("scope: no part '%s'; there are: %s\n"):format(broken, table.concat(PARTS, ", ")))
  os.exit(1)
end

local function load_part(part, takes, fails)
  goroutine.sleep(takes)
  if fails then
    error(part .. " cannot be loaded", 0)
  end
  return "<" .. part .. ">"
end

-- Loads all parts and gives the page. Whatever happens, when this returns or raises nothing is left running: neither
-- the caller nor the reader has to think of goroutines that were forgotten.
local function load_page(handles, takes, fails)
  return goroutine.scope(function(scope)
    for i, part in ipairs(PARTS) do
      local fail = fails and part == broken
      handles[i] = scope:spawn(load_part, part, fail and 20 or takes, fail)
    end
    local page = {}
    for i, handle in ipairs(handles) do
      -- Whether this went well need not be asked: if not, the scope raises the error.
      local _, html = handle:await()
      page[i] = html
    end
    return table.concat(page)
  end)
end

local function show(title, takes, fails)
  local started = goroutine.now()
  -- The function that a scope is given runs here, not in a goroutine, and so it can fill our table.
  local handles = {}
  local ok, result = pcall(load_page, handles, takes, fails)
  print(title .. (ok and ": page " or ": error: ") .. result)
  for i, part in ipairs(PARTS) do
    -- "done", "failed" or "cancelled"; never "running", for all of them have ended.
    print(("  %-10s %s"):format(part, handles[i]:status()))
  end
  print(("time: %.2f s"):format((goroutine.now() - started) / 1000))
end

show("every part loads", 20, false)
-- Each of the others would take a minute; they are stopped when the broken one fails.
show(broken .. " fails", 60000, true)
