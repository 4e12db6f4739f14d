-- Starts the login server and one message server, and ends: both live on.
local skynet = require "skynet"

skynet.start(function()
  local login = skynet.newservice "logind"
  local gate = skynet.newservice("gated", login)
  local address, port = skynet.call(gate, "lua", "open", {
    address = skynet.getenv "login_host",
    port = tonumber(skynet.getenv "message_port"),
    maxclient = tonumber(skynet.getenv "message_maxclient"),
    nodelay = true,
    servername = "sample",
  })
  skynet.error(("messages on %s:%d"):format(address, port))
  skynet.exit()
end)
