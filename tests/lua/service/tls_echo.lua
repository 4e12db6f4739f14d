-- An echo over TLS: a line, with the name that the client asked for and the one of its certificate, then goodbye.
-- `tls_names`: hosts whose certificates are in the folder under their own names. `tls_client_ca` and
-- `tls_client_mode`: who verifies the clients.
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "http.tlshelper"

local function serve(id, context)
  local session = tls.newtls("server", context)
  tls.init_responsefunc(id, session)()
  local line = tls.readfunc(id, session)()
  local info = session:info()
  tls.writefunc(id, session)(("echo of %s for %s: %s"):format(info.server_name or "nobody", info.peer or "nobody", line))
  tls.closefunc(session, id)()
end

skynet.start(function()
  local context = tls.servercontext()
  context:set_alpn { "echo" }
  for name in (skynet.getenv "tls_names" or ""):gmatch "%S+" do
    local file = skynet.getenv "tls_folder" .. "/" .. name:gsub("*", "star")
    context:set_cert(file .. ".crt", file .. ".key", name)
  end
  local authorities = skynet.getenv "tls_client_ca"
  if authorities then context:set_client_ca(authorities, skynet.getenv "tls_client_mode") end
  local listener = socket.listen("127.0.0.1", tonumber(skynet.getenv "tls_echo_port"))
  socket.start(listener, function(id)
    socket.start(id)
    local is_done, err = pcall(serve, id, context)
    if not is_done then skynet.error(err) end
    socket.close(id)
  end)
end)
