-- Echoes the frames of one client.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = function(message, size) return message, size end,
  dispatch = function(fd, _, message, size)
    skynet.ignoreret() -- the session is the client's number
    driver.send(fd, netpack.pack(message, size))
  end,
}

skynet.start(function()
  skynet.dispatch("lua", function(_, _, gate, fd)
    skynet.call(gate, "lua", "forward", fd)
    skynet.retpack()
  end)
end)
