-- The deadline of the TLS handshake. Started with a handshake_timeout of 3000 ms.
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local tls = require "http.tlshelper"
local check = require "check"
local peers = require "tls_peers"
local test = check.test
local listen, connect, serve_tls = peers.listen, peers.connect, peers.serve_tls

local function test_deadlines()
  test("a server that stalls is given up at handshake_timeout", function()
    local port, listener = listen(function(id) socket.read(id, 100000) end)
    check.raises("^tls handshake: the peer has stalled", connect, port)
    socket.close(listener)
  end)
  test("a client that says nothing is dropped at handshake_timeout, and others are served meanwhile", function()
    local port, failures, listener = serve_tls()
    local silent = sockethelper.connect("127.0.0.1", port)
    local noisy = sockethelper.connect("127.0.0.1", port)
    socket.write(noisy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    local fd, session = connect(port)
    tls.writefunc(fd, session) "x"
    check.equal(tls.readfunc(fd, session)(), "x")
    check.wait_until(function() return #failures == 2 end)
    check.matches(failures[1], "http request")
    check.matches(failures[2], "has stalled")
    for _, one in ipairs { silent, noisy, fd } do socket.close(one) end
    socket.close(listener)
  end)
  test("a connection whose handshake fails ends, though its server leaves it at the error", function()
    local accepted
    local listener, _, port = socket.listen("127.0.0.1", 0)
    socket.start(listener, function(id)
      accepted = id
      socket.start(id)
      pcall(tls.init_responsefunc(id, tls.newtls("server", tls.servercontext())))
    end)
    local noisy = sockethelper.connect("127.0.0.1", port)
    socket.write(noisy, "GET / HTTP/1.1\r\n\r\n")
    check.equal(type(socket.readall(noisy)), "string") -- to the end
    socket.close(noisy)
    socket.close(listener)
    check.wait_until(function() return not check.has_socket(accepted) end)
  end)
end

skynet.start(function()
  skynet.fork(function()
    test_deadlines()
    check.done()
    skynet.exit()
  end)
end)
