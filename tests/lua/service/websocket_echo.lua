-- An echo on http.websocket, on echo_port, for clients that others have written. echo_protocol: ws or wss.
local skynet = require "skynet"
local socket = require "skynet.socket"
local websocket = require "http.websocket"

local handle = {}

function handle.message(id, data, kind)
  if data == "close me" then return websocket.close(id, 3000, "as asked") end
  websocket.write(id, data, kind)
end

skynet.start(function()
  local listener = socket.listen("127.0.0.1", tonumber(skynet.getenv "echo_port"))
  socket.start(listener, function(id, addr)
    websocket.accept(id, handle, skynet.getenv "echo_protocol" or "ws", addr)
  end)
end)
