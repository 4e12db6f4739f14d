-- A Lua gate that sends frames back, and a debug console beside it. Its handler waits when it has answered a frame that
-- ends with "w": what comes behind it comes meanwhile. "leave" ends the client.
local skynet = require "skynet"
local socket = require "skynet.socket"
local netpack = require "skynet.netpack"
local gateserver = require "snax.gateserver"

local handler = { embed = true, connect = gateserver.openclient, disconnect = gateserver.closeclient }

function handler.message(fd, msg, size)
  local text = netpack.tostring(msg, size)
  if text == "leave" then return gateserver.closeclient(fd) end
  socket.write(fd, netpack.pack(text))
  if text:sub(-1) == "w" then skynet.sleep(0) end
end

function handler.open(_, conf)
  skynet.error("gate on", conf.port)
end

skynet.start(function()
  gateserver.start(handler)
  skynet.newservice("debug_console", "127.0.0.1", 0)
  skynet.send(skynet.self(), "lua", "open", { address = "127.0.0.1", port = 0, maxclient = 4000, nodelay = true })
end)
