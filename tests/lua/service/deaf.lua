-- Connects to the port it is given, and has nobody who handles what its socket says.
local skynet = require "skynet"
local port = math.tointeger(...)

skynet.start(function()
  require("skynet.socketdriver").connect("127.0.0.1", port)
  skynet.dispatch("lua", function() skynet.retpack "alive" end)
end)
