-- What the tests of TLS share: clients and servers on this machine.
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local tls = require "http.tlshelper"

local peers = {}

local FOLDER = skynet.getenv "tls_folder"

--- The port of the test's server of that name.
function peers.port_of(name)
  return tonumber(skynet.getenv("tls_port_" .. name))
end

--- A file of the folder with the certificates.
function peers.file(name)
  return FOLDER .. "/" .. name
end

--- A listener whose sockets are given to f(id), started.
function peers.listen(f)
  local listener, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listener, function(id)
    socket.start(id)
    f(id)
    socket.close(id)
  end)
  return port, listener
end

--- A client's session on a port of this machine, after the handshake.
function peers.connect(port, host, context)
  local fd = sockethelper.connect("127.0.0.1", port)
  local session = tls.newtls("client", context or tls.clientcontext(), host or "localhost")
  local is_done, err = pcall(tls.init_requestfunc(fd, session))
  if is_done then return fd, session end
  socket.close(fd)
  error(err, 0)
end

--- An echo over TLS that says goodbye, or not.
function peers.serve_tls(options)
  local failures = {}
  local tell = options and options.tell or function(failure) failures[#failures + 1] = failure end
  local context = options and options.context or tls.servercontext()
  local port, listener = peers.listen(function(id)
    local session = tls.newtls("server", context)
    local is_done, err = pcall(tls.init_responsefunc(id, session))
    if not is_done then
      tell(err)
      return
    end
    local read, write = tls.readfunc(id, session), tls.writefunc(id, session)
    local is_read, data = pcall(read)
    while is_read do
      write(data)
      if options and options.is_rude then return end
      is_read, data = pcall(read)
    end
    tell(tostring(data))
    tls.closefunc(session, id)()
  end)
  return port, failures, listener
end

return peers
