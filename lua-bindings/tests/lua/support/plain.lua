-- Runs the chunk that it is called with, and gives what came of it as one string.
local function outcome(...)
  local results, n = { ... }, select("#", ...)
  for i = 1, n do
    results[i] = (type(results[i]) .. " " .. tostring(results[i])):gsub("0x%x+", "ADDRESS")
  end
  return table.concat(results, ", ", 1, n)
end

return outcome(pcall((loadstring or load)(..., "=case")))
