-- The metatable of a module: what it has not got is told where it is used. Called with: the name of the module; meant(name, names), what is
-- said of a name that is none of these.
local module, meant = ...
local error, next, sort, tostring, type = error, next, table.sort, tostring, type

local function names(t)
  local all = {}
  for name in next, t do
    if type(name) == "string" then
      all[#all + 1] = name
    end
  end
  sort(all)
  return all
end

return {
  __index = function(self, name)
    error(module .. " has no function '" .. tostring(name) .. "'" .. meant(tostring(name), names(self)), 2)
  end,
  __call = function(self)
    error(module .. " is a module, and no function" .. meant("", names(self)), 2)
  end,
}
