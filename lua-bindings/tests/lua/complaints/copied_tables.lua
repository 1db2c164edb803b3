-- "My object knows its parent, and sending it recursed until the stack was full. And what two fields had in common came out
-- as two tables, so that a graph of a few dozen nodes took all memory."
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "../support/prelude.lua")
end
differs_locally({
  ["parents and children find each other"] = "nothing is copied",
  ["arguments and captured variables that are one table stay one"] = "nothing is copied",
})
local goroutine = require("goroutine")

local async, await = goroutine.async, goroutine.await

everywhere("an object that holds itself arrives as one that holds itself", function()
  local node = { name = "node" }
  node.itself, node[node] = node, "as a key"
  gives(values(true, true, "as a key", "node"), await(async(function(it)
    return it.itself == it, it[it], it.name
  end, node)))
end)

everywhere("parents and children find each other", function()
  local parent = { children = {} }
  for i = 1, 100 do parent.children[i] = { parent = parent, i = i } end
  local ok, back = await(async(function(it)
    for i, child in ipairs(it.children) do assert(child.parent == it and child.i == i) end
    return it
  end, parent))
  equal(ok, true, tostring(back))
  for i, child in ipairs(back.children) do assert(child.parent == back and child.i == i) end
  assert(back ~= parent)
end)

everywhere("arguments and captured variables that are one table stay one", function()
  local config = { level = 1 }
  gives(values(true, true, true, true, 2), await(async(function(a, b, inside)
    a.level = 2
    return a == b, a == inside.config, a == config, config.level
  end, config, config, { config = config })))
  equal(config.level, 1)
end)

everywhere("what is in common is sent once: 60 levels, each twice the one below", function()
  local top = { "ground" }
  for _ = 1, 60 do top = { top, top } end
  local channel = goroutine.channel(1)
  channel:send(top)
  local arrived, levels = channel:receive(), 0
  while arrived[2] do
    assert(rawequal(arrived[1], arrived[2]))
    arrived, levels = arrived[1], levels + 1
  end
  gives(values("ground", 60), arrived[1], levels)
end)

everywhere("a chain of 100,000 tables ends no stack", function()
  local chain
  local depth = scaled(100000, 2000)
  for i = 1, depth do chain = { i = i, following = chain } end
  local ok, length, back = await(async(function(it)
    local n, at = 0, it
    while at do n, at = n + 1, at.following end
    return n, it
  end, chain))
  gives(values(true, depth, depth), ok, length, back.i)
end)

finish()
