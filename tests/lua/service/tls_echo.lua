-- An echo over TLS: a line, with the name that the client asked for, then goodbye.
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "http.tlshelper"

local function serve(id, context)
  local session = tls.newtls("server", context)
  tls.init_responsefunc(id, session)()
  local line = tls.readfunc(id, session)()
  tls.writefunc(id, session)(("echo of %s: %s"):format(session:info().server_name or "nobody", line))
  tls.closefunc(session, id)()
end

skynet.start(function()
  local context = tls.servercontext()
  context:set_alpn { "echo" }
  local listener = socket.listen("127.0.0.1", tonumber(skynet.getenv "tls_echo_port"))
  socket.start(listener, function(id)
    socket.start(id)
    local is_done, err = pcall(serve, id, context)
    if not is_done then skynet.error(err) end
    socket.close(id)
  end)
end)
