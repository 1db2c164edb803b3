-- The Lua part of contexts. Called with what module.lua is called with, and the module's table.
local prim, _, face, _, M = ...

local fail = prim.fail
local ipairs = ipairs

local function given(how, ctx)
  if how ~= 0 then
    fail(how, ctx)
  end
  -- It travels, as any function that has captured nothing but a context.
  return ctx, function()
    ctx:cancel()
  end
end

local function giving(primitive)
  return function(...)
    return given(primitive(...))
  end
end

prim.context_giving = giving
M.context = giving(prim.context)

local methods = prim.methods.context
for _, name in ipairs({ "with_cancel", "with_timeout", "with_deadline" }) do
  methods[name] = giving(prim["context_" .. name])
end
for _, name in ipairs({ "is_cancelled", "err", "cancel", "deadline", "done", "run", "spawn" }) do
  methods[name] = face(prim["context_" .. name])
end
