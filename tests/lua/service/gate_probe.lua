-- A watchdog that accepts everybody, logs what it hears, answers "speak", and says goodbye to those that end.
local skynet = require "skynet"
local socket = require "skynet.socket"

local gate

skynet.start(function()
  skynet.dispatch("lua", function(_, _, _, event, fd, ...)
    skynet.error("watchdog:", event, fd, ...)
    if event == "open" then
      skynet.call(gate, "lua", "accept", fd)
    elseif event == "data" and ... == "speak" then
      socket.write(fd, string.pack(">s2", "spoken"))
    elseif event == "close" then
      socket.write(fd, string.pack(">s2", "goodbye"))
      skynet.call(gate, "lua", "kick", fd)
    end
  end)
  gate = skynet.newservice "gate"
  local _, port = skynet.call(gate, "lua", "open", {
    address = skynet.getenv "gate_address" or "127.0.0.1", port = 0, maxclient = tonumber(skynet.getenv "maxclient"),
  })
  skynet.error("gate on", port)
end)
