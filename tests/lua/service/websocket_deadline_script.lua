-- The deadlines of http.websocket. Started with a handshake_timeout of 2000 ms and a ws_close_timeout of 300 ms.
local skynet = require "skynet"
local socket = require "skynet.socket"
local websocket = require "http.websocket"
local check = require "check"
local peers = require "websocket_peers"
local test, echo = check.test, peers.echo

local function test_deadlines()
  test("a client that says nothing is dropped at handshake_timeout", function()
    local server = peers.serve(echo)
    local fd = peers.raw_client(server, "GET / HTTP/1.1\r\n")
    check.equal(socket.readall(fd), "")
    check.matches(peers.ended(server)[2], "no request within handshake_timeout")
    socket.close(fd)
  end)
  test("a server that says nothing is given up at handshake_timeout, or at the caller's", function()
    local server = peers.serve_by_hand ""
    check.raises("has not answered in time", websocket.connect, peers.url_of(server))
    server = peers.serve_by_hand ""
    local start = skynet.now()
    check.raises("has not answered in time", websocket.connect, peers.url_of(server), nil, 10)
    if skynet.now() - start >= 200 then error "not at the caller's deadline" end
  end)
  test("a client that does not answer a close frame is dropped at ws_close_timeout", function()
    for _, is_reading in ipairs { true, false } do
      local server = peers.serve { message = function(id) websocket.close(id) end }
      local fd = peers.open_by_hand(server)
      if is_reading then
        check.wait_until(function() return server.calls[2] end)
        skynet.fork(websocket.close, server.ids[1])
      else
        socket.write(fd, peers.frame(0x81, "x"))
      end
      check.equal({ peers.read_frame(fd) }, { 0x88, "" })
      check.equal(socket.read(fd), false)
      check.equal(peers.ended(server)[1], true)
      socket.close(fd)
    end
  end)
end

skynet.start(function()
  skynet.fork(function()
    test_deadlines()
    check.done()
    skynet.exit()
  end)
end)
