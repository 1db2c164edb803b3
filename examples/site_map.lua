-- Visits all pages of a web site (simulated), some at a time, and notes in common tables what is found: which pages there are,
-- how many links lead to each, and which lead nowhere. Fetching is waiting, so there is no need for more than one core, and
-- with goroutine.local the tables are the script's own.
--
--     sloth-runner run examples/site_map.lua
local goroutine = require("goroutine.local")

-- The site: each page with its links, and how many milliseconds it takes to answer.
local site = {
  ["/"] = { 4, "/docs", "/blog", "/about" },
  ["/docs"] = { 2, "/", "/docs/start", "/docs/api" },
  ["/docs/start"] = { 6, "/docs", "/download" },
  ["/docs/api"] = { 3, "/docs", "/docs/start", "/docs/old" },
  ["/blog"] = { 1, "/", "/blog/one", "/blog/two" },
  ["/blog/one"] = { 5, "/blog", "/blog/two" },
  ["/blog/two"] = { 2, "/blog", "/docs/api", "/gone" },
  ["/about"] = { 1, "/" },
  ["/download"] = { 3, "/docs/start" },
}

local unpack = table.unpack or unpack -- Lua 5.1 and LuaJIT have it as a global
local connections, most = 0, 0

local function fetch(path)
  connections = connections + 1
  most = math.max(most, connections)
  goroutine.sleep(site[path] and site[path][1] or 1)
  connections = connections - 1
  if not site[path] then
    error("404: " .. path, 0)
  end
  return { unpack(site[path], 2) }
end

-- What all of them write to. A goroutine is alone from one blocking call to the next, so that needs no lock.
local seen, links, broken, pages = {}, {}, {}, 0
local at_once = goroutine.semaphore(3)

goroutine.scope(function(scope)
  local function visit(path)
    links[path] = (links[path] or 0) + 1
    if seen[path] then
      return
    end
    seen[path] = true
    scope:spawn(function()
      local _, ok, found = at_once:with(function()
        return pcall(fetch, path)
      end)
      if not ok then
        broken[#broken + 1] = found
        return
      end
      pages = pages + 1
      for _, link in ipairs(found) do
        visit(link)
      end
    end)
  end
  visit("/")
end) -- returns when the last of them has ended, whoever started it

print(pages .. " pages, at most " .. most .. " at once")
local paths = {}
for path in pairs(links) do
  paths[#paths + 1] = path
end
table.sort(paths)
for _, path in ipairs(paths) do
  print(("%3d  %s"):format(links[path], path))
end
table.sort(broken)
for _, message in ipairs(broken) do
  print(message)
end
