-- http.websocket against itself and against peers made by hand. Started with a ws_message_max of 70000.
local socket = require "skynet.socket"
local skynet = require "skynet"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local websocket = require "http.websocket"
local check = require "check"
local peers = require "websocket_peers"
local test, echo = check.test, peers.echo

local LIMIT = 70000
local KEY = peers.KEY
local ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local function test_messages()
  test("messages of every size come back, text and binary", function()
    local server = peers.serve(echo)
    local id = websocket.connect(peers.url_of(server))
    for _, size in ipairs { 0, 1, 125, 126, 65535, 65536, LIMIT } do
      for _, kind in ipairs { "text", "binary" } do
        local data = ("x"):rep(size)
        websocket.write(id, data, kind)
        check.equal({ websocket.read(id) }, { data, kind })
      end
    end
    websocket.write(id, "the default is text")
    check.equal({ websocket.read(id) }, { "the default is text", "text" })
    websocket.close(id, 1000, "bye")
    check.equal(peers.ended(server), { true, n = 1 })
    check.equal(server.calls[#server.calls], { "close", 1000, "bye" })
  end)
  test("the callbacks come in their order, with what they are given", function()
    local server = peers.serve {}
    local fd, head = peers.open_by_hand(server)
    check.matches(head, "^HTTP/1.1 101 Switching Protocols\r\n")
    check.matches(head, "Sec%-WebSocket%-Accept: " .. ACCEPT:gsub("%+", "%%+"))
    socket.write(fd, peers.frame(0x89, "p") .. peers.frame(0x8a, "q") .. peers.frame(0x01, "he") .. peers.frame(0x80, "llo")
      .. peers.frame(0x88, "\x03\xe9away"))
    check.equal({ peers.read_frame(fd) }, { 0x8a, "p" })
    check.equal({ peers.read_frame(fd) }, { 0x88, "\x03\xe9" })
    check.equal(socket.read(fd), false)
    check.equal(peers.ended(server), { true, n = 1 })
    check.equal(server.calls, {
      { "connect" }, { "handshake", "/chat?x=1" }, { "ping", "p" }, { "pong", "q" },
      { "message", "hello", "text" }, { "close", 1001, "away" },
    })
  end)
  test("a message above ws_message_max is refused with 1009, by its header", function()
    local server = peers.serve(echo)
    local fd = peers.open_by_hand(server)
    socket.write(fd, peers.frame(0x82, ("x"):rep(LIMIT + 1)):sub(1, 14))
    local first, payload = peers.read_frame(fd)
    check.equal({ first, peers.close_code(payload) }, { 0x88, 1009 })
    check.matches(peers.ended(server)[2], "too large %(1009%)")
  end)
  test("fragments that together are ws_message_max are a message, and with one byte more refused with 1009", function()
    local server = peers.serve(echo)
    local fd = peers.open_by_hand(server)
    local half = ("x"):rep(LIMIT // 2)
    local function send(rest)
      socket.write(fd, peers.frame(0x02, half))
      socket.write(fd, peers.frame(0x00, half .. rest))
      socket.write(fd, peers.frame(0x80, ""))
    end
    send(("x"):rep(LIMIT - 2 * #half))
    local first, payload = peers.read_frame(fd)
    check.equal({ first, payload }, { 0x82, ("x"):rep(LIMIT) })
    send(("x"):rep(LIMIT - 2 * #half + 1))
    first, payload = peers.read_frame(fd)
    check.equal({ first, peers.close_code(payload) }, { 0x88, 1009 })
    check.matches(peers.ended(server)[2], "too large %(1009%)")
  end)
  test("compressed messages go both ways when the client offers it", function()
    local server = peers.serve(echo)
    local _, head = peers.open_by_hand(server, { [7] = "Sec-WebSocket-Extensions: permessage-deflate" })
    check.matches(head, "Extensions: permessage%-deflate; server_no_context_takeover; client_no_context_takeover")
    local id = websocket.connect(peers.url_of(server))
    local text = ("compress me "):rep(4000)
    for _ = 1, 3 do
      websocket.write(id, text)
      check.equal(websocket.read(id), text)
    end
    websocket.close(id)
    socket.close(server.listener)
  end)
  test("a compressed message that is larger than ws_message_max inflated is refused with 1009", function()
    local server = peers.serve(echo)
    local fd = peers.open_by_hand(server, { [7] = "Sec-WebSocket-Extensions: permessage-deflate" })
    -- 100,000 times x, compressed by zlib
    socket.write(fd, peers.frame(0xc2, "\xec\xc1\x31\x01\x00\x00\x00\xc2\xa0\xda\x8b\x6f\x0d\x0f\xa0" .. ("\0"):rep(96) .. "\x80\x57\x03"))
    local first, payload = peers.read_frame(fd)
    check.equal({ first, peers.close_code(payload) }, { 0x88, 1009 })
    peers.ended(server)
  end)
end

local function test_protocol_errors()
  local cases = {
    ["section 5.1: a frame without a mask"] = { 1002, "\x81\x05hello" },
    ["section 5.2: a reserved bit"] = { 1002, peers.frame(0xa1, "x") },
    ["section 5.2: a compressed frame without an agreement"] = { 1002, peers.frame(0xc1, "x") },
    ["section 5.2: a reserved opcode"] = { 1002, peers.frame(0x83, "x") },
    ["section 5.2: a length of 64 bits"] = { 1002, "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0" },
    ["section 5.2: a length that is longer than it needs"] = { 1002, "\x82\xfe\0\x05\0\0\0\0hello" },
    ["section 5.4: a continuation of nothing"] = { 1002, peers.frame(0x80, "x") },
    ["section 5.4: a message inside of a message"] = { 1002, peers.frame(0x01, "x") .. peers.frame(0x81, "y") },
    ["section 5.5: a fragmented ping"] = { 1002, peers.frame(0x09, "") },
    ["section 5.5: a ping of 126 bytes"] = { 1002, peers.frame(0x89, ("x"):rep(126)) },
    ["section 5.5.1: half a close code"] = { 1002, peers.frame(0x88, "\x03") },
    ["section 7.4: a close code that is never sent"] = { 1002, peers.frame(0x88, "\x03\xee") },
    ["section 7.1.6: a close reason that is not UTF-8"] = { 1007, peers.frame(0x88, "\x03\xe8\xff") },
    ["section 8.1: a text that is not UTF-8"] = { 1007, peers.frame(0x81, "\xc0\x80") },
    ["section 8.1: a text whose last character is cut"] = { 1007, peers.frame(0x01, "\xe2\x82") .. peers.frame(0x80, "") },
  }
  test("each error of the protocol is answered with its close code, and told", function()
    for name, case in pairs(cases) do
      local server = peers.serve(echo)
      local fd = peers.open_by_hand(server)
      socket.write(fd, case[2])
      local first, payload = peers.read_frame(fd)
      check.equal({ name, first, peers.close_code(payload) }, { name, 0x88, case[1] })
      check.equal({ name, (socket.read(fd)) }, { name, false })
      local result = peers.ended(server)
      check.equal({ name, result[1] }, { name, false })
      check.matches(result[2], "^websocket: .* %(" .. case[1] .. "%)$")
      check.equal(server.calls[#server.calls], { "error", result[2] })
      socket.close(fd)
    end
  end)
end

local function test_handshake()
  test("a request that is none for WebSocket is refused with its status and reason", function()
    local cases = {
      { "400", "no Upgrade", { [3] = "" } }, { "400", "no Upgrade", { [3] = "Upgrade: h2c" } },
      { "400", "no Connection", { [4] = "Connection: close" } }, { "400", "Key", { [5] = "" } },
      { "400", "Key", { [5] = "Sec-WebSocket-Key: short" } },
      { "400", "Key", { [7] = "Sec-WebSocket-Key: " .. KEY } },
      { "426", "Version", { [6] = "" } }, { "426", "Version", { [6] = "Sec-WebSocket-Version: 8" } },
      { "400", "Host", { [2] = "" } }, { "400", "method", { "POST / HTTP/1.1" } },
      { "505", "", { "GET / HTTP/2.0" } }, { "400", "no Upgrade", { "GET / HTTP/1.0" } },
      { "400", "no body", { [7] = "Transfer-Encoding: chunked" } }, { "400", "", { "nonsense" } },
      { "400", "Extensions", { [7] = "Sec-WebSocket-Extensions: a,,b" } },
    }
    for _, case in ipairs(cases) do
      local server = peers.serve(echo)
      local fd = peers.raw_client(server, peers.request(case[3]))
      local answer = socket.readall(fd)
      check.matches(answer, "^HTTP/1.1 " .. case[1])
      if case[1] == "426" then check.matches(answer, "sec%-websocket%-version: 13\r\n") end
      local result = peers.ended(server)
      check.equal(result[1], false)
      check.matches(result[2], case[2])
      check.equal(server.calls, { { "connect" }, { "close" } })
      socket.close(fd)
    end
  end)
  test("frames right behind the request are not lost", function()
    local server = peers.serve(echo)
    local fd = peers.raw_client(server, peers.request() .. peers.frame(0x81, "early"))
    peers.read_head(fd)
    check.equal({ peers.read_frame(fd) }, { 0x81, "early" })
    socket.close(fd)
    peers.ended(server)
  end)
  test("a subprotocol is chosen among the server's", function()
    local server = peers.serve(echo, "ws", { protocols = { "b", "c" } })
    local _, head = peers.open_by_hand(server, { [7] = "Sec-WebSocket-Protocol: a, c, b" })
    check.matches(head, "Sec%-WebSocket%-Protocol: c$")
    local _, none = peers.open_by_hand(server, { [7] = "Sec-WebSocket-Protocol: a" })
    check.equal(none:find "Sec%-WebSocket%-Protocol", nil)
    socket.close(server.listener)
  end)
  test("a request that httpd has read is taken over", function()
    local listener, _, port = socket.listen("127.0.0.1", 0)
    socket.start(listener, function(id, addr)
      socket.start(id)
      local read, write = sockethelper.readfunc(id), sockethelper.writefunc(id)
      local _, url, method, header = httpd.read_request(read)
      local request = { url = url, method = method, header = header }
      if url == "/chat?x=1" then request.read, request.write = read, write end
      websocket.accept(id, echo, "ws", addr, { upgrade = request })
    end)
    local id = websocket.connect(("ws://127.0.0.1:%d/up"):format(port))
    websocket.write(id, "hello")
    check.equal(websocket.read(id), "hello")
    websocket.close(id)
    local fd = peers.raw_client({ port = port }, peers.request() .. peers.frame(0x81, "early"))
    peers.read_head(fd)
    check.equal({ peers.read_frame(fd) }, { 0x81, "early" }) -- came behind the request, with it
    socket.close(fd)
    socket.close(listener)
  end)
end

local function test_client()
  test("frames right behind the answer are not lost", function()
    local server = peers.serve_by_hand(peers.upgrade "\r\n\x81\x05hello\x82\x01x")
    local id = websocket.connect(peers.url_of(server), { ["X-Mine"] = "1" })
    check.matches(server.request, "^GET / HTTP/1.1\r\n")
    check.matches(server.request, "X%-Mine: 1\r\n")
    check.matches(server.request, "Host: 127.0.0.1:" .. server.port)
    check.equal({ websocket.read(id) }, { "hello", "text" })
    check.equal({ websocket.read(id) }, { "x", "binary" })
    socket.close(server.fd)
    check.raises("Socket Error", websocket.read, id)
    check.raises("is not open", websocket.read, id)
  end)
  test("an answer that is none is refused with its reason", function()
    local cases = {
      { "status 404 Not Found", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" },
      { "not HTTP/1.1", "nonsense\r\n\r\n" },
      { "Sec%-WebSocket%-Accept is not the answer",
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n" },
      { "does not upgrade", "HTTP/1.1 101 x\r\n\r\n" },
      { "was not asked for", peers.upgrade "Sec-WebSocket-Protocol: chat\r\n\r\n" },
      { "not offered", peers.upgrade "Sec-WebSocket-Extensions: x-other\r\n\r\n" },
      { "more than 8192 bytes", "HTTP/1.1 101 x\r\nX: " .. ("x"):rep(9000) },
    }
    for _, case in ipairs(cases) do
      local server = peers.serve_by_hand(case[2])
      check.raises(case[1], websocket.connect, peers.url_of(server))
      check.equal(socket.read(server.fd), false)
    end
  end)
  test("a masked frame of a server is refused with 1002", function()
    local server = peers.serve_by_hand(peers.upgrade("\r\n" .. peers.frame(0x81, "x")))
    local id = websocket.connect(peers.url_of(server))
    check.raises("masked %(1002%)", websocket.read, id)
    check.equal(websocket.is_close(id), true)
    local first, size = string.unpack("BB", (socket.read(server.fd, 2)))
    check.equal(first, 0x88)
    if size & 0x80 == 0 then error "our frame is not masked" end
  end)
  test("a server's close frame ends read() with reason and code, and is answered", function()
    local server = peers.serve_by_hand(peers.upgrade "\r\n\x88\x05\x03\xe9bye")
    local id = websocket.connect(peers.url_of(server))
    local await = check.in_background(websocket.read, id)
    check.equal((socket.read(server.fd, 1)), "\x88")
    socket.close(server.fd) -- a server closes first
    check.equal(await(), { true, false, "bye", 1001, n = 4 })
  end)
  test("an address or a header that is none is refused before anything is sent", function()
    for _, url in ipairs {
      "http://127.0.0.1/", "ws://", "ws:///x", "ws://a:0/", "ws://a:99999/", "ws://a:b/", "ws://a b/", "ws://a/b c",
      "ws://user@a/", "ws://a/#x", "ws://[::1/", "ws://a/\r\nx",
    } do
      check.raises("websocket.connect: .*", websocket.connect, url)
    end
    for name, value in pairs {
      ["Sec-WebSocket-Key"] = "x", Upgrade = "x", ["bad name"] = "x", ["X-Bad"] = "a\r\nb", [""] = "x",
    } do
      check.raises("header", websocket.connect, "ws://127.0.0.1:1/", { [name] = value })
    end
  end)
end

local function test_closing()
  test("close() of a server waits for the client's close frame", function()
    local server = peers.serve { message = function(id) websocket.close(id, 3001, "enough") end }
    local fd = peers.open_by_hand(server)
    socket.write(fd, peers.frame(0x81, "x"))
    check.equal({ peers.read_frame(fd) }, { 0x88, "\x0b\xb9enough" })
    check.equal(websocket.is_close(server.ids[1]), true)
    check.equal(#server.results, 0)
    socket.write(fd, peers.frame(0x81, "still") .. peers.frame(0x88, "\x0b\xb9"))
    check.equal(socket.read(fd), false)
    check.equal(peers.ended(server), { true, n = 1 })
    check.equal(server.calls[#server.calls], { "close" })
    socket.close(fd)
  end)
  test("close() by another coroutine ends accept()", function()
    local server = peers.serve {}
    local id = websocket.connect(peers.url_of(server))
    check.wait_until(function() return server.calls[2] end)
    local await = check.in_background(websocket.close, server.ids[1], 1001, "going")
    check.equal({ websocket.read(id) }, { false, "going", 1001 })
    check.equal(await()[1], true)
    check.equal(peers.ended(server), { true, n = 1 })
    check.equal(#server.calls, 3)
  end)
  test("a client that is gone without a close frame is an error", function()
    local server = peers.serve {}
    local fd = peers.open_by_hand(server)
    socket.close(fd)
    check.equal(peers.ended(server), { true, n = 1 })
    check.equal(server.calls[#server.calls], { "error", "[Socket Error]" })
  end)
  test("a callback that fails closes with 1011, and accept() tells where", function()
    local server = peers.serve { message = function() error "oh no" end }
    local fd = peers.open_by_hand(server)
    socket.write(fd, peers.frame(0x81, "x"))
    local first, payload = peers.read_frame(fd)
    check.equal({ first, peers.close_code(payload) }, { 0x88, 1011 })
    local result = peers.ended(server)
    check.equal(result[1], false)
    check.matches(result[2], "oh no\nstack traceback")
    socket.close(fd)
  end)
end

local function test_rest()
  test("what is known of a connection is told until it is closed", function()
    local seen = {}
    local server = peers.serve {
      handshake = function(id)
        seen = { websocket.addrinfo(id), websocket.real_ip(id), websocket.is_close(id) }
      end,
    }
    local fd = peers.open_by_hand(server, { [7] = "X-Real-IP: 192.0.2.7" })
    check.matches(seen[1], "^127.0.0.1:%d+$")
    check.equal({ seen[2], seen[3] }, { "192.0.2.7", false })
    socket.close(fd)
    peers.ended(server)
    local id = server.ids[1]
    check.wait_until(function() return websocket.is_close(id) end)
    check.equal({ websocket.addrinfo(id), websocket.real_ip(id) }, {})
  end)
  test("what may not be sent is refused, and the connection goes on", function()
    local server = peers.serve(echo)
    local id = websocket.connect(peers.url_of(server))
    check.raises("must be UTF%-8", websocket.write, id, "\xff", "text")
    check.raises("neither text nor binary", websocket.write, id, "x", "blob")
    check.raises("neither text nor binary", websocket.write, id, "x", {})
    check.raises("125 bytes", websocket.ping, id, ("x"):rep(126))
    check.raises("must not be sent", websocket.close, id, 1005)
    check.raises("UTF%-8", websocket.close, id, 1000, "\xff")
    websocket.ping(id, "p")
    websocket.write(id, "\xff", "binary", "abcd")
    check.equal({ websocket.read(id) }, { "\xff", "binary" })
    check.equal(server.calls[3], { "ping", "p" })
    for data, kind in pairs { ["\xff"] = "binary", ["\xc3\xa9"] = "text", [""] = "text" } do
      websocket.write(id, data)
      check.equal({ websocket.read(id) }, { data, kind })
    end
    websocket.close(id)
    websocket.close(id)
    check.raises("is not open", websocket.write, id, "x")
    check.raises("is not open", websocket.ping, id)
    check.raises("neither ws nor wss", websocket.accept, 1, {}, "http")
    peers.ended(server)
  end)
  test("nothing is left of the connections", function()
    for _, fd in ipairs(peers.raw_sockets) do socket.close(fd) end
    check.wait_until(function() return #socket.netstat() == 0 end)
  end)
end

skynet.start(function()
  skynet.fork(function()
    test_messages()
    test_protocol_errors()
    test_handshake()
    test_client()
    test_closing()
    test_rest()
    check.done()
    skynet.exit()
  end)
end)
