---@meta goroutine.local

-- The same names as those of `goroutine`.

---@type goroutine
local goroutine_local
return goroutine_local
