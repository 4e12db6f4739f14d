-- Takes over a socket, then reads a line of it.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  skynet.dispatch("lua", function(_, _, command, id)
    if command == "start" then return skynet.retpack(socket.start(id)) end
    skynet.retpack(socket.readline(id))
    socket.close(id)
    skynet.exit()
  end)
end)
