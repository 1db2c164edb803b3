-- Reads scripts from standard input, each after a line with its length. Writes for each one a line with three lengths; then
-- the script, the dump of the function that it returns, and the same stripped. With an argument: the `luac` that strips,
-- where `string.dump` can't.
local load = loadstring or load
local luac = arg[1]

local function stripped(script, fn)
  if not luac then
    return string.dump(fn, true)
  end
  local source, binary = os.tmpname(), os.tmpname()
  local file = assert(io.open(source, "wb"))
  file:write(script)
  file:close()
  os.execute(luac .. " -s -o " .. binary .. " " .. source)
  local dump = string.dump(assert(loadfile(binary))())
  os.remove(source)
  os.remove(binary)
  return dump
end

while true do
  local length = io.read("*l")
  if not length then
    break
  end
  local script = length == "0" and "" or io.read(tonumber(length))
  local fn = assert(load(script, "@test.lua"))()
  local dump, less = string.dump(fn), stripped(script, fn)
  io.write(#script, " ", #dump, " ", #less, "\n", script, dump, less)
end
