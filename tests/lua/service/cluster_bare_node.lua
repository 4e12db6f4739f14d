-- A node whose cluster is made of skynet.cluster.core, a gate and a channel only.
local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
  require "cluster_callee"()
  local callee = skynet.newservice "cluster_callee"
  skynet.name(".sdb", callee)
  local gate = skynet.newservice "gate"
  local agents = {}
  skynet.dispatch("lua", function(_, _, _, event, fd)
    if event == "open" then
      agents[fd] = skynet.newservice("cluster_bare_agent", gate, fd, callee)
    elseif event == "close" or event == "error" then
      skynet.call(gate, "lua", "kick", fd)
      if agents[fd] then skynet.send(agents[fd], "lua", "exit") end
    end
  end)
  local address, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, watchdog = skynet.self() })
  skynet.error(("cluster on %s:%d, sdb is %d, this is %d"):format(address, port, callee, skynet.self()))
end)
