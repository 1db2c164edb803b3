-- The home state's os.exit: goroutines are cancelled and unwind before the process ends.
local exit, shutdown = ...

return function(...)
  shutdown()
  return exit(...)
end
