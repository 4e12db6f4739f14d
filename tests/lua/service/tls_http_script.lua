-- What HTTP over TLS needs of TLS: http.httpc, http.httpd, http.websocket by way of http.tlshelper. Started with an
-- http_header_timeout of 2000 ms.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpc = require "http.httpc"
local httpd = require "http.httpd"
local tls = require "http.tlshelper"
local websocket = require "http.websocket"
local check = require "check"
local peers = require "tls_peers"
local by_hand = require "websocket_peers"
local test = check.test

local echo = { message = function(id, data, kind) websocket.write(id, data, kind) end }

--- Answers as many requests as come on one connection; `server` counts connections and has the last refusal.
local function serve(server, id, session)
  local read, write = tls.readfunc(id, session), tls.writefunc(id, session)
  server.connections = server.connections + 1
  while true do
    local code, url, method, header, body, is_persistent = httpd.read_request(read, 1000000, write)
    if code == 200 and header.upgrade then
      return websocket.accept(id, echo, "wss", nil,
        { upgrade = { url = url, method = method, header = header, read = read, write = write } })
    end
    if code ~= 200 then server.refusal = code end
    if not code then return end
    httpd.write_response(write, code, code == 200 and ("%s %s %d"):format(method, url, #body) or "refused")
    if code ~= 200 or not is_persistent then return end
  end
end

local function start_server(context)
  local server = { connections = 0 }
  server.port, server.listener = peers.listen(function(id)
    local session = tls.newtls("server", context or tls.servercontext())
    local is_done = pcall(tls.init_responsefunc(id, session))
    if is_done then serve(server, id, session) end
    pcall(tls.closefunc(session, is_done and id or nil))
  end)
  return server
end

local function place_of(server, host)
  return ("https://%s:%d"):format(host or "localhost", server.port)
end

local function test_requests()
  test("a server is verified by its name, or by its address", function()
    local server = start_server()
    check.equal({ httpc.get(place_of(server), "/") }, { 200, "GET / 0" })
    check.equal({ httpc.get(place_of(server, "127.0.0.1"), "/") }, { 200, "GET / 0" })
    socket.close(server.listener)
  end)
  test("a server that can't be verified is refused before it is asked", function()
    local context = tls.newctx()
    local folder = skynet.getenv "tls_folder"
    context:set_cert(folder .. "/other.crt", folder .. "/other.key")
    local server = start_server(context)
    check.raises("^tls handshake with localhost: certificate refused: hostname mismatch", httpc.get, place_of(server), "/")
    check.equal(server.connections, 0)
    socket.close(server.listener)
  end)
  test("a connection that the server has cut off meanwhile is made again", function()
    local connections = 0
    local port, listener = peers.listen(function(id)
      connections = connections + 1
      local session = tls.newtls("server", tls.servercontext())
      tls.init_responsefunc(id, session)()
      local read, write = tls.readfunc(id, session), tls.writefunc(id, session)
      httpd.read_request(read)
      httpd.write_response(write, 200, tostring(connections))
      if connections == 1 then read() end -- the next request: no answer, and no goodbye of TLS
      session:close()
      socket.close(id)
    end)
    local place = ("https://localhost:%d"):format(port)
    check.equal({ httpc.get(place, "/") }, { 200, "1" })
    check.equal({ httpc.get(place, "/") }, { 200, "2" })
    socket.close(listener)
  end)
  test("closefunc ends the stream where the handshake was, as programs for Skynet call it", function()
    local port, listener = peers.listen(function(id)
      local session = tls.newtls("server", tls.servercontext())
      tls.init_responsefunc(id, session)()
      tls.readfunc(id, session)()
      tls.writefunc(id, session) "HTTP/1.1 200 OK\r\n\r\nto the end"
      tls.closefunc(session)()
      socket.close(id)
    end)
    check.equal({ httpc.get(("https://localhost:%d"):format(port), "/") }, { 200, "to the end" })
    socket.close(listener)
  end)
  test("a connection is upgraded where the request came, with what is behind it", function()
    local server = start_server()
    local id = websocket.connect(("wss://localhost:%d/up"):format(server.port))
    websocket.write(id, "hello")
    check.equal(websocket.read(id), "hello")
    websocket.close(id)
    local fd, session = peers.connect(server.port)
    tls.writefunc(fd, session)(by_hand.request() .. by_hand.frame(0x81, "early"))
    local read, answer = tls.readfunc(fd, session), ""
    repeat answer = answer .. read() until answer:find("\x81\x05early", 1, true)
    check.matches(answer, "^HTTP/1.1 101 ")
    socket.close(fd)
    socket.close(server.listener)
  end)
end

local function test_deadlines()
  test("a header that does not come in time is answered with 408 over TLS", function()
    local server = start_server()
    local fd, session = peers.connect(server.port)
    tls.writefunc(fd, session) "GET / HTTP/1.1\r\n"
    check.matches(tls.readallfunc(fd, session)(), "^HTTP/1.1 408 ")
    check.equal(server.refusal, 408)
    socket.close(fd)
    socket.close(server.listener)
  end)
  test("httpc.timeout is for the handshake, too", function()
    local port, listener = peers.listen(function(id) socket.read(id, 100000) end)
    httpc.timeout = 20
    local start = skynet.now()
    check.raises("timeout", httpc.get, ("https://localhost:%d"):format(port), "/")
    if skynet.now() - start > 3000 then error "not at the caller's deadline" end -- handshake_timeout is 60 s
    httpc.timeout = nil
    socket.close(listener)
  end)
end

skynet.start(function()
  skynet.fork(function()
    test_requests()
    test_deadlines()
    check.done()
    skynet.exit()
  end)
end)
