-- scope: goroutines that end together.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

local scope = goroutine.scope

everywhere("it returns what its function returns, after all have ended", function()
  local count = goroutine.atomic_int()
  gives(values(1, nil, "three", nil), scope(function(s)
    for _ = 1, 20 do
      s:spawn(function()
        goroutine.sleep(2)
        count:add()
      end)
    end
    return 1, nil, "three", nil
  end))
  equal(count:load(), 20)
  gives(values(), scope(function() end))
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("spawn gives a handle, and hands arguments over", function()
  local a, b = scope(function(s)
    local h = s:spawn(function(...) return select("#", ...), ... end, nil, "x", nil)
    gives(values(true, 3, nil, "x", nil), h:await())
    return h:status(), "end"
  end)
  equal(a, "done")
  equal(b, "end")
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("the first error cancels the others and is raised", function()
  local cancelled = goroutine.atomic_int()
  local ok, err = pcall(scope, function(s)
    local handles = {}
    for i = 1, 5 do
      handles[i] = s:spawn(function()
        local _, e = pcall(goroutine.sleep, 1e9)
        if goroutine.is_cancelled(e) then cancelled:add() end
        error(e, 0)
      end)
    end
    for _, handle in ipairs(handles) do parked(handle) end
    s:spawn(function() error({ code = 9 }) end)
  end)
  equal(ok, false)
  equal(type(err), "table")
  equal(err.code, 9)
  equal(cancelled:load(), 5)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("an error of its own function cancels the children, waits for them and is raised", function()
  local unwound = goroutine.atomic_int()
  local ok, err = pcall(scope, function(s)
    local h = s:spawn(function()
      pcall(goroutine.sleep, 1e9)
      unwound:add()
    end)
    parked(h)
    error("in the body", 0)
  end)
  gives(values(false, "in the body"), ok, err)
  equal(unwound:load(), 1)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
everywhere("scopes nest, and an error goes outward", function()
  local ok, err = pcall(scope, function(outer)
    outer:spawn(goroutine.sleep, 1e9)
    scope(function(inner)
      inner:spawn(function() error("innermost", 0) end)
    end)
  end)
  gives(values(false, "innermost"), ok, err)
end)

everywhere("children start children in the same scope", function()
  local count = goroutine.atomic_int()
  scope(function(s)
    local function tree(depth)
      count:add()
      if depth > 0 then
        s:spawn(tree, depth - 1)
        s:spawn(tree, depth - 1)
      end
    end
    s:spawn(tree, 5)
  end)
  equal(count:load(), 63)
end)

everywhere("a cancelled child does not fail the scope", function()
  gives(values("fine"), scope(function(s)
    s:spawn(goroutine.sleep, 1e9):cancel()
    return "fine"
  end))
end)

test("a scope that has ended starts nothing more", function()
  local left
  scope(function(s) left = s end)
  raises("the scope has ended", left.spawn, left, function() end)
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("the error that is raised is not reported besides, and a later one of another child is", function()
  raises("first", scope, function(s)
    parked(s:spawn(function()
      pcall(goroutine.sleep, 1e9)
      error("second", 0)
    end))
    s:spawn(function() error("first", 0) end)
  end)
  if reports then
    local list = {}
    eventually("the second is reported", function()
      collect()
      for _, report in ipairs(reports()) do list[#list + 1] = report end
      return #list > 0
    end)
    equal(#list, 1)
    contains(list[1], "failed: second")
  end
end)

unless_lua("5.1", "a goroutine cannot wait inside `pcall`, `xpcall`, a metamethod or an iterator")
test("cancelling who waits for a scope cancels its children, and they have ended when it has", function()
  local unwound, ready = goroutine.atomic_int(), goroutine.atomic_int()
  local handle = goroutine.async(function()
    goroutine.scope(function(s)
      parked(s:spawn(function()
        pcall(goroutine.sleep, 1e9)
        unwound:add()
      end))
      ready:add()
    end)
  end)
  eventually("the child sleeps", function() return ready:load() == 1 end)
  parked(handle)
  handle:cancel("enough")
  local ok, err = handle:await(30000)
  equal(ok, false)
  equal(tostring(err), "cancelled: enough")
  equal(unwound:load(), 1)
end)

finish()
