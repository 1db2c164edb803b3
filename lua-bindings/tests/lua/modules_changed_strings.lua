-- Methods that the script has given to strings, which the strings of goroutines do not have.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
differs_locally("goroutines have the modules of the script")
local goroutine = require("goroutine")

-- Only the harness of cargo's tests can say what was reported; elsewhere it goes to standard error.
local reports = reports or function() return {} end
local told = _G.reports ~= nil

string.trimmed = function(s) return (s:match("^%s*(.-)%s*$")) end

test("code that names no such method is no matter", function()
  local ok, upper = goroutine.await(goroutine.async(function(s) return s:upper() end, "a"))
  gives(values(true, "A"), ok, upper)
  same(reports(), {})
end)

test("code that names one is told of, once", function()
  for _ = 1, 3 do
    local ok, err = goroutine.await(goroutine.async(function(s) return s:trimmed() end, " x "))
    equal(ok, false)
    contains(err, "attempt to call")
  end
  if told then
    local list = reports()
    equal(#list, 1)
    equal(list[1], "module 'string': field 'trimmed' was changed after loading (home has a function, goroutines get nil); "
      .. 'goroutine.configure{copy_modules = {"string"}} sends it as it is, for calls like string.upper(s); methods, as in '
      .. "s:upper(), stay the isolates' own")
  end
end)

test("called as a function it works once it is copied", function()
  goroutine.configure({ copy_modules = { "string" } })
  local ok, trimmed = goroutine.await(goroutine.async(function(s) return string.trimmed(s) end, " x "))
  gives(values(true, "x"), ok, trimmed)
  same(reports(), {})
end)

finish()
