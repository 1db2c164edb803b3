-- Reads declarations in the notation of LuaLS: classes, aliases and functions, with what stands above them.
--
-- Gives a function of a text, which returns
--   classes[name] = { parents, fields = { [name] = { type, optional } }, object = whether it is a userdata of the module },
--   aliases[name] = type,
--   functions = list of { owner, name, method, params = list of { name, type, optional }, vararg, returns, generics, line }.

-- Splits what stands after a tag into a type and the words after it. Spaces end a type but in parentheses, in quotes, and after
-- colons and commas.
local function split_type(text)
  local depth, quoted = 0, false
  for at = 1, #text do
    local char = text:sub(at, at)
    if char == '"' then
      quoted = not quoted
    elseif quoted then
      -- a part of a literal
    elseif char == "(" or char == "<" then
      depth = depth + 1
    elseif char == ")" or char == ">" then
      depth = depth - 1
    elseif char == " " and depth == 0 and not text:sub(at - 1, at - 1):find("[:,]") then
      return text:sub(1, at - 1), text:sub(at + 1)
    end
  end
  return text, ""
end

-- `name? TYPE words`, as after @param and @field.
local function named(text, line)
  local name, mark, rest = text:match("^([%w_%.%[%]]+)(%??) (.+)$")
  assert(name, "not understood, line " .. line .. ": " .. text)
  local type_of = split_type(rest)
  return name, { name = name, type = type_of, optional = mark == "?" or type_of:sub(-1) == "?" }
end

return function(source)
  local classes, aliases, functions, locals = {}, {}, {}, {}
  local params, returns, generics, class = {}, {}, {}, nil
  local number = 0
  for line in (source .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local tag, rest = line:match("^%-%-%-@(%w+) ?(.*)$")
    if tag == "class" then
      local name, parents = rest:match("^([%w_%.]+):? ?(.*)$")
      assert(not classes[name], "declared twice: " .. name)
      class = { name = name, parents = {}, fields = {}, object = true }
      for parent in parents:gmatch("[%w_%.]+") do
        class.parents[#class.parents + 1] = parent
      end
      classes[name] = class
    elseif tag == "field" then
      local name, field = named(rest, number)
      class.fields[name], class.object = field, false
    elseif tag == "alias" then
      local name, meaning = rest:match("^([%w_%.]+) (.+)$")
      aliases[name] = meaning
    elseif tag == "param" then
      local _, param = named(rest, number)
      params[#params + 1] = param
    elseif tag == "return" then
      local type_of, words = split_type(rest)
      returns[#returns + 1] = { type = type_of, variadic = words:match("^%.%.%.") ~= nil }
    elseif tag == "generic" then
      for name, bound in rest:gmatch("(%w+):? ?([%l]*)") do
        generics[name] = bound == "" and "any" or bound
      end
    elseif tag then
      assert(tag == "meta", "unknown tag, line " .. number .. ": " .. line)
    elseif line:match("^local ") then
      local name = line:match("^local (%w+) = {}$")
      assert(name and class, "not understood, line " .. number .. ": " .. line)
      locals[name], class.object = class, true
    elseif line:match("^function ") then
      local owner, mark, name, list = line:match("^function (%w+)([%.:])([%w_]+)%((.*)%) end$")
      assert(owner and locals[owner], "not understood, line " .. number .. ": " .. line)
      local declared = { owner = locals[owner].name, name = name, method = mark == ":", params = {}, line = number }
      local at = 0
      for given in list:gmatch("[^, ]+") do
        at = at + 1
        local param = params[at] or { name = "nothing" }
        local wanted = given == "..." and "..." or param.name
        assert(given == wanted, "line " .. number .. ": @param " .. param.name .. " stands above the parameter " .. given)
        if given == "..." then
          declared.vararg = true
        else
          declared.params[at] = param
        end
      end
      assert(#params == at, "line " .. number .. ": there are more @param than parameters")
      declared.returns, declared.generics = returns, generics
      functions[#functions + 1] = declared
      params, returns, generics = {}, {}, {}
    elseif line == "" then
      assert(#params == 0 and #returns == 0, "line " .. number .. ": an empty line between a declaration and its function")
      params, returns, generics = {}, {}, {}
    end
  end
  assert(#params == 0 and #returns == 0, "declarations without a function at the end")
  return { classes = classes, aliases = aliases, functions = functions }
end
