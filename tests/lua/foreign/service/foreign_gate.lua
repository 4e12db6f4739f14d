-- A watchdog with an agent per client.
local skynet = require "skynet"

skynet.start(function()
  local gate = skynet.newservice "gate"
  local agents = {}
  skynet.dispatch("lua", function(_, _, _, event, id)
    skynet.ignoreret()
    if event == "open" then
      agents[id] = skynet.newservice("foreign_agent", gate, id)
    else
      while not agents[id] do skynet.sleep(0) end  -- it is about to be told that its agent runs
      skynet.call(gate, "lua", "kick", id)
      skynet.send(agents[id], "lua", "exit")
      skynet.error "a client has left"
    end
  end)
  local _, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, watchdog = skynet.self() })
  skynet.error(("gate on %d"):format(port))
end)
