-- Gets frames of a gate: keeps what came, with session and source, and answers with the text.
local skynet = require "skynet"
local socket = require "skynet.socket"

local frames = {}

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = skynet.tostring,
  dispatch = function(session, source, text)
    skynet.ignoreret()
    frames[#frames + 1] = { session, source, text }
    socket.write(session, string.pack(">s2", text))
  end,
}

local command = {}

function command.frames() return frames end

-- Takes a client over itself.
function command.forward(gate, ...)
  return skynet.call(gate, "lua", "forward", ...)
end

function command.push(fd, text)
  return socket.write(fd, string.pack(">s2", text))
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
end)
