-- Starts the chat room and ends: its services live on.
local skynet = require "skynet"

skynet.start(function()
  local watchdog = skynet.newservice "watchdog"
  local address, port = skynet.call(watchdog, "lua", "start", {
    address = skynet.getenv "chat_host",
    port = tonumber(skynet.getenv "chat_port"),
    maxclient = tonumber(skynet.getenv "chat_maxclient"),
    nodelay = true,
  })
  skynet.error(("chat on %s:%d"):format(address, port))
  skynet.exit()
end)
