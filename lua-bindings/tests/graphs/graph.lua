-- Graphs of values, built from a list of steps and compared node by node. The functions are globals, and travel.

local standard = { string, math.floor, print, io.stdout, coroutine.yield }

-- The value of an item: { kind, what }. Without nodes there is no node to name.
local function value_of(nodes, item)
  local kind, what = item[1], item[2]
  if kind == "node" then
    return nodes[what % math.max(#nodes, 1) + 1]
  elseif kind == "standard" then
    return standard[what % #standard + 1]
  end
  return what
end

local function closures(value)
  return function() return value end, function(new) value = new end
end

local function captures(inner, mark)
  return function() return inner, mark end
end

local steps = {}

function steps.table(nodes)
  nodes[#nodes + 1] = {}
end

-- Two functions that share a variable.
function steps.closures(nodes, item)
  nodes[#nodes + 1], nodes[#nodes + 2] = closures(value_of(nodes, item))
end

-- Objects in objects, deeper than one record of a packet goes.
function steps.chain(nodes, length, by)
  for i = 1, length do
    local last, link = nodes[#nodes]
    if by == 1 then
      link = { i, next = last }
    elseif by == 2 then
      link = { i }
      debug.setmetatable(link, type(last) == "table" and last or nil)
    elseif by == 3 then
      link = { [last or i] = i }
    else
      link = captures(last, i)
    end
    nodes[#nodes + 1] = link
  end
end

function steps.set(nodes, target, key, value)
  local node = value_of(nodes, { "node", target })
  key = value_of(nodes, key)
  if type(node) == "table" and key ~= nil and key == key then
    rawset(node, key, value_of(nodes, value))
  end
end

function steps.metatable(nodes, target, metatable)
  local node, meta = value_of(nodes, { "node", target }), value_of(nodes, { "node", metatable })
  if type(node) == "table" and type(meta) == "table" then
    debug.setmetatable(node, meta)
  end
end

-- Gives a captured variable another value, which may be the function itself.
function steps.assign(nodes, target, value)
  local node = value_of(nodes, { "node", target })
  if type(node) == "function" then
    debug.setupvalue(node, 1, value_of(nodes, value))
  end
end

-- Makes two functions share a variable, whatever shares it with either already.
function steps.join(nodes, target, other)
  local node, from = value_of(nodes, { "node", target }), value_of(nodes, { "node", other })
  if debug.upvaluejoin and type(node) == "function" and type(from) == "function" then
    debug.upvaluejoin(node, 1, from, 1)
  end
end

-- The nodes of the graph that these steps describe.
function build(description)
  local nodes = {}
  for _, step in ipairs(description) do
    steps[step[1]](nodes, step[2], step[3], step[4])
  end
  return nodes
end

local function same_plain(a, b)
  if type(a) == "number" and type(b) == "number" then
    local sort = math.type or type
    return sort(a) == sort(b) and (a == b and 1 / a == 1 / b or a ~= a and b ~= b)
  end
  return rawequal(a, b)
end

-- Says in what two lists of nodes differ: nil if each node of one is to the others what its counterpart is.
function difference(expected, got)
  if #expected ~= #got then
    return #expected .. " nodes, " .. #got .. " on arrival"
  end
  local twin, back = {}, {}
  for i = 1, #expected do
    local a, b = expected[i], got[i]
    if type(a) ~= type(b) then
      return "node " .. i .. " is a " .. type(a) .. ", on arrival a " .. type(b)
    elseif back[b] then
      return "two nodes are one on arrival: " .. i .. " is one of them"
    elseif rawequal(a, b) then
      return "node " .. i .. " is the very same"
    end
    twin[a], back[b] = b, a
  end
  local function same(a, b)
    local counterpart = twin[a]
    if counterpart ~= nil then
      return rawequal(counterpart, b)
    end
    return same_plain(a, b)
  end
  -- Lua 5.1 loses what functions share.
  local shares = _VERSION ~= "Lua 5.1" or jit ~= nil
  local cells, cells_back = {}, {}
  for i = 1, #expected do
    local a, b = expected[i], got[i]
    if type(a) == "function" then
      for n = 1, 4 do
        local name, value = debug.getupvalue(a, n)
        local name_there, value_there = debug.getupvalue(b, n)
        if name ~= name_there or not (value == nil and value_there == nil or same(value, value_there)) then
          return "variable " .. n .. " of function " .. i
        end
        if name and shares then
          local cell, cell_there = debug.upvalueid(a, n), debug.upvalueid(b, n)
          if (cells[cell] or cell_there) ~= cell_there or (cells_back[cell_there] or cell) ~= cell then
            return "variable " .. n .. " of function " .. i .. " is shared with others"
          end
          cells[cell], cells_back[cell_there] = cell_there, cell
        end
      end
    else
      local count = 0
      for key, value in next, a do
        count = count + 1
        local key_there = twin[key]
        if key_there == nil then
          key_there = key
        end
        local there = rawget(b, key_there)
        if there == nil or not same(value, there) then
          return "table " .. i .. " at " .. tostring(type(key) == "string" and key or type(key))
        end
      end
      for _ in next, b do
        count = count - 1
      end
      if count ~= 0 then
        return "table " .. i .. " has " .. -count .. " entries more on arrival"
      end
      local meta, meta_there = debug.getmetatable(a), debug.getmetatable(b)
      if not rawequal(meta and twin[meta], meta_there) then
        return "the metatable of table " .. i
      end
    end
  end
end

-- Ships the graph to a goroutine and back, through a channel too, and says what was lost.
function ship(goroutine, description)
  local nodes = build(description)
  local channel = goroutine.channel(1)
  local ok, lost, back, traceback = goroutine.await(goroutine.async(function(root, arrived)
    if root ~= nil and not rawequal(root, arrived[1]) then
      return "the first node is not the first argument"
    end
    channel:send({ arrived })
    return difference(build(description), arrived), arrived
  end, nodes[1], nodes))
  if not ok then
    return tostring(lost) .. "\n" .. tostring(back) .. tostring(traceback)
  end
  if lost then
    return lost
  end
  -- A metatable that comes back, or what is about to be one, is the very one that left, and no copy of it.
  for _, node in ipairs(nodes) do
    if type(node) == "table" then
      if debug.getmetatable(node) then
        return nil
      end
      for key in next, node do
        if type(key) == "string" and key:sub(1, 2) == "__" then
          return nil
        end
      end
    end
  end
  return difference(nodes, back) or difference(nodes, channel:receive()[1])
end
