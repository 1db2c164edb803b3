-- Random graphs of tables, closures and objects arrive with the same shape: nothing lost, nothing doubled, what was shared is shared.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("nothing is copied")
local goroutine = require("goroutine")

local unpack = table.unpack or unpack

-- A generator of its own, so that a failure can be repeated by its number on every machine.
local function generator(seed)
  local state = seed % 2147483647 + 1
  return function(n)
    state = state * 16807 % 2147483647
    return state % n + 1
  end
end

-- A closure that reads and changes what it captured, so that sharing can be seen from outside.
local function cell(value)
  return function() return value end, function(new) value = new end
end

local scalars = {
  1, -1, 0.5, -0.25, 2 ^ 53, "", "text", "\0\255", true, false, math.huge, -math.huge, 123456789, ("long"):rep(100), "key",
}
local objects = { goroutine.channel(), goroutine.channel(1):sender(), goroutine.wait_group(), goroutine.atomic_int(), string, math.floor, print }

-- A graph of `size` nodes. `deep`: mostly a chain, which goes deeper than one record of a packet does. `classes`: some nodes
-- have metatables, which reach into the graph.
local function graph(seed, size, deep, classes)
  local random = generator(seed)
  local nodes = {}
  local function any(limit)
    local kind = random(10)
    if kind <= 4 and limit > 0 then return nodes[random(limit)] end
    if kind == 5 then return objects[random(#objects)] end
    return scalars[random(#scalars)]
  end
  for i = 1, size do
    local node
    if i > 1 and random(6) == 1 then
      local get, set = cell(any(i - 1))
      node = random(2) == 1 and get or set
      -- The other half goes elsewhere in the graph: they share a variable.
      nodes[i] = { get, set, get, [set] = "set" }
      if random(2) == 1 then nodes[i] = node end
    else
      node = {}
      nodes[i] = node
    end
  end
  for i = 1, size do
    local node = nodes[i]
    if type(node) == "table" then
      if deep and i < size then node[random(2) == 1 and "next" or 1] = nodes[i + 1] end
      for _ = 1, random(5) do
        local key
        local kind = random(6)
        if kind == 1 then
          key = #node + 1
        elseif kind == 2 then
          key = nodes[random(size)]
        elseif kind == 3 then
          key = random(50)
        else
          key = scalars[random(#scalars)]
        end
        node[key] = random(3) == 1 and nodes[random(size)] or any(size)
      end
      if random(5) == 1 and classes then setmetatable(node, random(2) == 1 and nodes[1] or { __index = any(size) }) end
    end
  end
  return nodes[1]
end

-- Compares two graphs. Keys that are tables or functions are told apart only by what they are reached by, so a walk gives each
-- node a number in the order of plain keys first; nodes that stand only as keys are compared by their values.
local function plain(value)
  local kind = type(value)
  return kind == "number" or kind == "string" or kind == "boolean"
end

-- `own`: what arrives may be the very thing that left.
local function compare(a, b, own)
  local twin, other = {}, {}
  local work = { { a, b, "it" } }
  local function meet(x, y, path)
    local kind = type(x)
    if kind ~= type(y) then error(path .. " is a " .. kind .. ", and a " .. type(y) .. " on arrival", 0) end
    if kind == "table" or kind == "function" then
      if twin[x] == nil and other[y] == nil then
        if x == y and not own and kind == "table" and x ~= string then error(path .. " is the very same table", 0) end
        twin[x], other[y] = y, x
        work[#work + 1] = { x, y, path }
      elseif twin[x] ~= y or other[y] ~= x then
        error(path .. " is not shared as it was", 0)
      end
    elseif x ~= y or (math.type and math.type(x) ~= math.type(y)) then
      error(path .. " is " .. show(x) .. ", and " .. show(y) .. " on arrival", 0)
    end
  end
  work = {}
  meet(a, b, "it")
  local met = 0
  while #work > 0 do
    local x, y, path = unpack(table.remove(work))
    met = met + 1
    if type(x) == "function" then
      if debug.getinfo(x, "S").what == "C" then
        if x ~= y then error(path .. " is another C function", 0) end
      else
        for i = 1, 255 do
          local name, value = debug.getupvalue(x, i)
          if not name then break end
          if name ~= "_ENV" then meet(value, (select(2, debug.getupvalue(y, i))), path .. ".<" .. name .. ">") end
        end
      end
    elseif x ~= string then
      local counts = { 0, 0 }
      for key, value in next, x do
        counts[1] = counts[1] + 1
        if plain(key) then
          meet(value, rawget(y, key), path .. "[" .. show(key) .. "]")
        elseif twin[key] ~= nil then
          meet(value, rawget(y, twin[key]), path .. "[a known " .. type(key) .. "]")
        end
      end
      for _ in next, y do counts[2] = counts[2] + 1 end
      if counts[1] ~= counts[2] then error(path .. " has " .. counts[1] .. " entries, and " .. counts[2] .. " on arrival", 0) end
      local mx, my = debug.getmetatable(x), debug.getmetatable(y)
      if mx or my then meet(mx, my, path .. "'s metatable") end
    end
  end
  return met
end

-- Which variables closures share: a text that is the same for graphs of the same shape.
local function joined(root)
  local seen, order, cells, out = {}, { root }, {}, {}
  seen[root] = true
  local count = 0
  local function add(value)
    if (type(value) == "table" or type(value) == "function") and value ~= string and not seen[value] then
      seen[value] = true
      order[#order + 1] = value
    end
  end
  local at = 1
  while order[at] do
    local value = order[at]
    at = at + 1
    if type(value) == "function" then
      for i = 1, 255 do
        local name, inner = debug.getupvalue(value, i)
        if not name then break end
        if name ~= "_ENV" and debug.upvalueid then
          local id = debug.upvalueid(value, i)
          if not cells[id] then
            count = count + 1
            cells[id] = count
          end
          out[#out + 1] = cells[id]
        end
        if name ~= "_ENV" then add(inner) end
      end
    else
      -- By plain keys in their order: the walk has to be the same on both sides.
      local keys = {}
      for key in next, value do
        if plain(key) then keys[#keys + 1] = key end
      end
      table.sort(keys, function(p, q)
        if type(p) ~= type(q) then return type(p) < type(q) end
        if type(p) == "boolean" then return p and not q end
        return p < q
      end)
      for _, key in ipairs(keys) do add(rawget(value, key)) end
      local meta = debug.getmetatable(value)
      if meta then add(meta) end
    end
  end
  return table.concat(out, ",")
end

local function there_and_back(value)
  local ok, got = goroutine.await(goroutine.async(function(v) return v end, value))
  if not ok then error(got, 0) end
  return got
end

local function try(first, last, size, deep)
  for seed = first, last do
    -- The arguments of a start keep all that they have in common with their metatables. (The goroutine makes the same graph
    -- and compares.)
    if seed % 2 == 0 then
      local met, why = goroutine.await(goroutine.async(function(got)
        local value = graph(seed, size, deep, true)
        compare(value, got, true)
        if joined(value) ~= joined(got) then error("closures share other variables on arrival", 0) end
      end, graph(seed, size, deep, true)))
      if not met then error("graph " .. seed .. " of " .. size .. " with metatables: " .. why, 0) end
    end
    local value = graph(seed, size, deep)
    local before = joined(value)
    local got = there_and_back(value)
    local ok, err = pcall(compare, value, got)
    if not ok then error("graph " .. seed .. " of " .. size .. ": " .. err, 0) end
    if joined(got) ~= before then error("graph " .. seed .. " of " .. size .. ": closures share other variables on arrival", 0) end
  end
end

unless_lua("5.1", "closures that share a variable get a copy each")
test("the comparison sees what differs", function()
  local shared = {}
  local function differs(a, b) equal(pcall(compare, a, b), false) end
  differs({ 1 }, { 2 })
  differs({ shared, shared }, { {}, {} })
  differs({ {}, {} }, { shared, shared })
  differs({ a = 1 }, { a = 1, b = 2 })
  differs({ a = 1, b = 2 }, { a = 1 })
  differs(setmetatable({}, { 1 }), {})
  local get, set = cell(1)
  local get2, set2 = cell(1)
  compare({ get, set }, { get2, set2 })
  assert(joined({ get, set }) ~= joined({ get, set2 }))
end)

test("small ones", function() try(1, scaled(400, 30), 6) end)
test("some", function() try(1001, 1000 + scaled(100, 6), 60) end)
test("large ones", function() try(2001, 2000 + scaled(8), scaled(2000, 400)) end)
test("chains that are deeper than a packet nests", function()
  try(3001, 3000 + scaled(40, 3), 130, true)
  try(4001, 4000 + scaled(4), scaled(3000, 400), true)
end)

test("several at once, from several goroutines, through channels", function()
  local channel, each = goroutine.channel(3), scaled(20)
  local senders = goroutine.spawn_many(4, function(id)
    for seed = 1, each do channel:send({ seed = id * 100 + seed, value = graph(id * 100 + seed, 40) }) end
  end)
  for _ = 1, 4 * each do
    local got = assert(channel:receive())
    local ok, err = pcall(compare, graph(got.seed, 40), got.value)
    if not ok then error("graph " .. got.seed .. ": " .. err, 0) end
  end
  for _, sender in ipairs(senders) do gives(values(true), sender:await()) end
end)

finish()
