-- Files, for the examples. A module of one's own can be used inside goroutines like any other: it travels by its name,
-- and every isolate loads it once.

local files = {}

-- The path as one word for the shell.
local function quoted(path)
  if path:sub(1, 1) == "-" then
    path = "./" .. path -- not an option
  end
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

--- The files right inside `folder`, sorted; with `extension` ("txt") only those that end so.
--- Returns a list of paths, or nil and a message.
function files.list(folder, extension)
  -- Plain Lua cannot list a folder, so `find` does.
  local command = "find " .. quoted(folder) .. " -maxdepth 1 -type f -print0 2>&1"
  local find = assert(io.popen(command))
  local output = find:read("a")
  if not find:close() then
    return nil, (output:gsub("%s+$", ""))
  end
  local list = {}
  for path in output:gmatch("[^\0]+") do
    if not extension or path:match("%.([^./]+)$") == extension then
      list[#list + 1] = path
    end
  end
  table.sort(list)
  return list
end

--- The contents of a file, or nil and a message.
function files.read(path)
  local file, err = io.open(path, "rb")
  if not file then
    return nil, err
  end
  local contents, why = file:read("a")
  file:close()
  -- A folder can be opened, but not read.
  return contents, why and path .. ": " .. why
end

--- The last part of a path.
function files.name(path)
  return path:match("[^/]*$")
end

return files
