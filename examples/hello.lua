local goroutine = require("goroutine")
local texts = {}
for i = 1, 1000 do texts[i] = ("the quick brown fox "):rep(i % 7) end

goroutine.pool_create("words", { workers = 8 })
local counts = goroutine.pool_map("words", texts, function(text)
  return select(2, text:gsub("%S+", ""))
end)
print(#counts .. " texts, the last of " .. counts[#counts] .. " words")
print(goroutine.timeout(50, function() goroutine.sleep(10000) end))
local ok, err = goroutine.await(goroutine.async(function() error({ code = 404 }) end))
print(ok, "code " .. err.code)
