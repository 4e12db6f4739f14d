-- Asks a server whose authority nobody has named in tls_ca.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpc = require "http.httpc"
local tls = require "http.tlshelper"

skynet.start(function()
  local id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(id, function(client)
    socket.start(client)
    pcall(tls.init_responsefunc(client, tls.newtls("server", tls.servercontext())))
    socket.close(client)
  end)
  local is_asked, err = pcall(httpc.get, "https://127.0.0.1:" .. port, "/")
  skynet.error((is_asked and "asked: " or "refused: ") .. tostring(err))
end)
