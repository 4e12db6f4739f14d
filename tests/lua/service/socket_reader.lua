-- Takes over a socket and reads a line of it.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  skynet.dispatch("lua", function(_, _, _, id)
    assert(socket.start(id))
    skynet.retpack(socket.readline(id))
    socket.close(id)
    skynet.exit()
  end)
end)
