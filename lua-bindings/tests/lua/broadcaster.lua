-- Broadcasters.
if not test then
  dofile((arg[0]:match("^.*/") or "") .. "support/prelude.lua")
end
local goroutine = require("goroutine")

everywhere("all who have subscribed get every value, in order", function()
  local news, listening = goroutine.broadcaster(), goroutine.wait_group()
  listening:add(5)
  local handles = goroutine.spawn_many(5, function()
    local mine, got = news:subscribe(2), {}
    listening:done()
    local value, open = mine:receive() -- not by iter, in which a goroutine cannot wait on Lua 5.1
    while open do
      got[#got + 1] = value.n
      value, open = mine:receive()
    end
    return table.concat(got, " ")
  end)
  listening:wait()
  for n = 1, 20 do gives(values(true), news:broadcast({ n = n })) end
  gives(values(true), news:close())
  local wanted = {}
  for n = 1, 20 do wanted[n] = n end
  for _, handle in ipairs(handles) do gives(values(true, table.concat(wanted, " ")), handle:await()) end
end)

everywhere("a subscriber without room is waited for, up to a limit", function()
  local news = goroutine.broadcaster()
  local slow, quick = news:subscribe(1), news:subscribe()
  gives(values(true), news:broadcast(1))
  gives(values(false, "timeout exceeded"), news:broadcast(2, 1))
  gives(values(1, true), slow:receive())
  gives(values(nil, false), slow:try_receive())
  gives(values(1, true), quick:receive())
  gives(values(2, true), quick:receive())
  slow:close()
  gives(values(true), news:broadcast(3))
  gives(values(3, true), quick:receive())
end)

everywhere("nobody need listen, and a closed one takes nothing more", function()
  local news = goroutine.broadcaster()
  gives(values(true), news:broadcast(nil))
  local mine = news:subscribe()
  news:broadcast("last")
  gives(values(true), news:close())
  gives(values(false, "broadcaster already closed"), news:close())
  gives(values(false, "broadcaster is closed"), news:broadcast("more"))
  gives(values("last", true), mine:receive())
  gives(values(nil, false), mine:receive())
  gives(values(nil, false), news:subscribe():receive())
end)

everywhere("what a subscriber has got can be looped over", function()
  local news = goroutine.broadcaster()
  local mine, got = news:subscribe(), {}
  for n = 1, 3 do news:broadcast(n) end
  news:close()
  for value in mine:iter() do got[#got + 1] = value end
  same(got, { 1, 2, 3 })
end)

everywhere("who is gone is forgotten", function()
  local news = goroutine.broadcaster()
  for _ = 1, 10 do news:subscribe(0) end
  collect()
  gives(values(true), news:broadcast("nobody", 5000))
end)

finish()
