-- A game server as they are written for Skynet: the protocols in slots, a watchdog that has a gate, an agent for
-- each client.
local skynet = require "skynet"

skynet.start(function()
  skynet.uniqueservice "sproto_game_protocols"
  local watchdog = skynet.newservice "sproto_game_watchdog"
  local address, port = skynet.call(watchdog, "lua", "start",
    { address = "127.0.0.1", port = 0, maxclient = 64, nodelay = true })
  skynet.error(("watchdog on %s:%d"):format(address, port))
  skynet.exit()
end)
