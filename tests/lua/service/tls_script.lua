-- http.tlshelper, ltls.c and wss. Started by tls_test.py with certificates and with servers of openssl, whose
-- ports are in the configuration.
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "http.tlshelper"
local websocket = require "http.websocket"
local check = require "check"
local peers = require "tls_peers"
local test = check.test
local listen, connect, serve_tls = peers.listen, peers.connect, peers.serve_tls
local port_of, file = peers.port_of, peers.file

local function test_clients()
  test("a server of openssl is verified, and bytes go both ways", function()
    local fd, session = connect(port_of "good")
    check.equal(session:info().alpn, nil)
    check.matches(session:info().version, "^TLSv1.[23]$")
    tls.writefunc(fd, session) "hello\n"
    check.equal(tls.readfunc(fd, session)(6), "olleh\n") -- s_server -rev
    tls.closefunc(session, fd)()
    socket.close(fd)
  end)
  test("a server whose certificate is bad is refused with the reason", function()
    check.raises("^tls handshake with localhost: certificate refused: certificate has expired", connect, port_of "expired")
    check.raises("certificate refused: self%-signed certificate", connect, port_of "self")
    check.raises("certificate refused: hostname mismatch", connect, port_of "other")
    check.raises("certificate refused: hostname mismatch", connect, port_of "good", "example.com")
    check.raises("certificate refused: IP address mismatch", connect, port_of "good", "127.0.0.2")
    local strangers = tls.newctx()
    check.raises("unable to get local issuer", connect, port_of "good", nil, strangers)
  end)
  test("a client that has no name to verify is refused, and one that does not verify is not", function()
    local session = tls.newtls("client", tls.clientcontext())
    check.raises("no host name", session.handshake, session)
    local context = tls.newctx()
    context:set_verify "none"
    local fd = connect(port_of "expired", nil, context)
    socket.close(fd)
  end)
  test("a version below TLS 1.2 is refused", function()
    check.raises("^tls handshake.*: .*", connect, port_of "old")
  end)
  test("a server that goes during the handshake is told from one that refuses", function()
    local port, listener = listen(function(id) socket.read(id) end)
    check.raises("^tls handshake: the peer has gone %(truncated%)", connect, port)
    socket.close(listener)
  end)
  test("a server that is none for TLS is told", function()
    local port, listener = listen(function(id) socket.write(id, "HTTP/1.1 400 Bad Request\r\n\r\n") socket.read(id) end)
    check.raises("^tls handshake with localhost: wrong version number", connect, port)
    socket.close(listener)
  end)
end

local function test_servers()
  test("a stream that ends without a goodbye is an error, one with a goodbye an end", function()
    local port, _, listener = serve_tls { is_rude = true }
    local fd, session = connect(port)
    tls.writefunc(fd, session) "x"
    local read = tls.readfunc(fd, session)
    check.equal(read(), "x")
    check.raises("^tls: .*%(truncated%)$", read)
    socket.close(fd)
    socket.close(listener)
    port, _, listener = serve_tls()
    fd, session = connect(port)
    tls.writefunc(fd, session) "hello"
    local write_end = session:finish()
    socket.write(fd, write_end)
    check.equal(tls.readallfunc(fd, session)(), "hello")
    socket.close(fd)
    socket.close(listener)
  end)
  test("a client that goes in the middle of its handshake is told from one that refuses", function()
    local port, failures, listener = serve_tls()
    local fd = socket.open("127.0.0.1", port)
    local session = tls.newtls("client", tls.clientcontext(), "localhost")
    socket.write(fd, session:handshake():sub(1, 100))
    socket.close(fd)
    check.wait_until(function() return failures[1] end)
    check.equal(failures[1], "tls handshake: the peer has gone (truncated)")
    check.raises("refused", connect, port, nil, tls.newctx())
    check.wait_until(function() return failures[2] end)
    check.matches(failures[2], "^tls handshake: .*alert")
    socket.close(listener)
  end)
  test("a client that comes back resumes its session", function()
    local port, _, listener = serve_tls()
    local context = tls.newctx()
    context:set_ca(file "authority.crt")
    local resumed = {}
    for i = 1, 3 do
      local fd, session = connect(port, nil, context)
      tls.writefunc(fd, session) "x"
      tls.readfunc(fd, session)()
      resumed[i] = session:info().resumed
      tls.closefunc(session, fd)()
      socket.close(fd)
    end
    check.equal(resumed, { false, true, true })
    socket.close(listener)
  end)
  test("certificates are set again without a restart, as a whole or not at all", function()
    local context = tls.newctx()
    context:set_cert(file "good.crt", file "good.key")
    local port, _, listener = serve_tls { context = context }
    check.raises("key values mismatch", context.set_cert, context, file "other.crt", file "good.key")
    check.raises("no%-such.crt: No such file", context.set_cert, context, file "no-such.crt", file "good.key")
    socket.close((connect(port)))
    context:set_cert(file "other.crt", file "other.key")
    check.raises("hostname mismatch", connect, port)
    socket.close((connect(port, "other.test")))
    socket.close(listener)
    tls.reload()
  end)
  test("names and protocols are told to the server", function()
    local seen
    local context = tls.newctx()
    context:set_cert(file "good.crt", file "good.key")
    context:set_alpn { "http/1.1" }
    local port, listener = listen(function(id)
      local session = tls.newtls("server", context)
      tls.init_responsefunc(id, session)()
      seen = session:info()
      socket.read(id)
    end)
    local client = tls.newctx()
    client:set_ca(file "authority.crt")
    client:set_alpn { "h2", "http/1.1" }
    local fd, session = connect(port, "localhost", client)
    check.wait_until(function() return seen end)
    check.equal({ seen.server_name, seen.alpn, session:info().alpn }, { "localhost", "http/1.1", "http/1.1" })
    socket.close(fd)
    socket.close(listener)
  end)
end

local function test_module()
  test("ltls.c shakes hands, reads and writes as the contract has it", function()
    local c = require "ltls.c"
    local server_context, client_context = c.newctx(), c.newctx()
    server_context:set_cert(file "good.crt", file "good.key")
    server_context:set_ciphers "ECDHE+AESGCM"
    client_context:set_ca(file "authority.crt")
    local server, client = c.newtls("server", server_context), c.newtls("client", client_context)
    client:set_ext_host_name "localhost"
    local to_server = client:handshake()
    while not client:finished() do to_server = client:handshake(server:handshake(to_server)) end
    local tickets = server:handshake(to_server)
    check.equal(server:finished(), true)
    if tickets then check.equal(client:read(tickets), "") end
    check.equal(server:read(client:write "hello"), "hello")
    check.equal(client:read(server:write "world"), "world")
    check.equal(client:write(), "")
    check.raises("handshake is finished", client.handshake, client)
    check.equal(server:read(client:finish()), "")
    check.equal(server:ended(), true)
    client:close()
    check.raises("session is closed", client.write, client, "x")
    local init = require "ltls.init.c"
    init.constructor()
    init.destructor()
  end)
  test("arguments that are wrong are named", function()
    local context = tls.newctx()
    check.raises("cipher list nonsense", context.set_ciphers, context, "nonsense")
    check.raises("1 to 255 bytes", context.set_alpn, context, { "" })
    check.raises("invalid option", context.set_verify, context, "sometimes")
    check.raises("invalid option", tls.newtls, "peer", context)
    check.raises("ltls context expected", tls.newtls, "client", {})
    check.raises("host name", tls.newtls, "client", context, "a b")
  end)
end

local function test_websockets()
  local echo = { message = function(id, data, kind) websocket.write(id, data, kind) end }
  test("wss carries messages of every size, and refuses who can't be verified", function()
    local results = {}
    local listener, _, port = socket.listen("127.0.0.1", 0)
    socket.start(listener, function(id, addr)
      results[#results + 1] = table.pack(websocket.accept(id, echo, "wss", addr))
    end)
    local id = websocket.connect(("wss://127.0.0.1:%d/"):format(port))
    for _, size in ipairs { 0, 1, 20000, 200000 } do
      local data = ("x"):rep(size)
      websocket.write(id, data, "binary")
      check.equal({ websocket.read(id) }, { data, "binary" })
    end
    websocket.close(id, 1000)
    check.wait_until(function() return results[1] end)
    check.equal(results[1], { true, n = 1 })
    check.raises("unable to get local issuer", websocket.connect, ("wss://127.0.0.1:%d/"):format(port), nil, nil,
      { tls = tls.newctx() })
    check.wait_until(function() return results[2] end)
    check.equal(results[2][1], false)
    check.matches(results[2][2], "^tls handshake: .*alert")
    socket.close(listener)
  end)
  test("a hundred handshakes that fail leave nothing behind", function()
    local port, failures, listener = serve_tls()
    local strangers = tls.newctx()
    for _ = 1, 100 do pcall(connect, port, nil, strangers) end
    check.wait_until(function() return #failures == 100 end)
    socket.close(listener)
    check.wait_until(function() return #socket.netstat() == 0 end)
  end)
end

skynet.start(function()
  skynet.fork(function()
    test_clients()
    test_servers()
    test_module()
    test_websockets()
    check.done()
    skynet.exit()
  end)
end)
