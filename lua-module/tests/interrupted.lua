-- Waits for ever in the script, beside goroutines that are at work, until the signal of Ctrl-C comes, which a
-- command of a goroutine's sends: interrupted.lua [MODULE]
local goroutine = require(arg[1] or "goroutine")

-- The process of the interpreter is the parent of the shell that is asked.
local shell = io.popen("echo $PPID")
local pid = shell:read("*n")
shell:close()

goroutine.spawn(function()
  while true do goroutine.sleep(10) end
end)
goroutine.spawn(function()
  goroutine.sleep(100)
  -- In the background: while `system` of C waits for a command, the process ignores the signal.
  os.execute("{ sleep 0.2; kill -INT " .. string.format("%d", pid) .. "; } &")
end)
goroutine.sleep(1e9)
print("it has not been interrupted")
os.exit(2)
