-- A script of goroutine.local that ends while a goroutine holds a lock: what the goroutine does then finds its objects alive.
local goroutine = require("goroutine.local")
local mutex = goroutine.mutex()
goroutine.spawn(function()
  mutex:lock()
  pcall(goroutine.sleep, 1e6) -- until it is cancelled
  print(pcall(mutex.unlock, mutex))
end)
goroutine.sleep(10)
