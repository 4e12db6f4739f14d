-- http.httpc over TLS against http.httpd over TLS. The key tls_ca knows the server's certificate.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local httpc = require "http.httpc"
local tls = require "http.tlshelper"
local check = require "check"
local test = check.test

local connections = 0

--- A server that calls f(read, write, client) for each client: its place.
local function listen(f)
  local id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(id, function(client)
    socket.start(client)
    connections = connections + 1
    local session = tls.newtls("server", tls.servercontext())
    tls.init_responsefunc(client, session)()
    pcall(f, tls.readfunc(client, session), tls.writefunc(client, session), client)
    tls.closefunc(session, client)()
    socket.close(client)
  end)
  return "https://127.0.0.1:" .. port
end

local function echo(read, write)
  local code, url, _, _, body, is_persistent
  repeat
    code, url, _, _, body, is_persistent = httpd.read_request(read)
    if code == 200 then httpd.write_response(write, 200, url .. " " .. body) end
  until code ~= 200 or not is_persistent
end

skynet.start(function()
  local place = listen(echo)
  test("a connection of TLS has one request after the other", function()
    for i = 1, 5 do
      check.equal({ httpc.get(place, "/" .. i) }, { 200, "/" .. i .. " " })
    end
    check.equal(connections, 1)
  end)
  test("bodies of many records go there and back", function()
    local body = string.rep("0123456789abcdef", 20000)
    local status, answer = httpc.request("PUT", place, "/large", nil, nil, body)
    check.equal({ status, answer == "/large " .. body }, { 200, true })
  end)
  test("requests in one record are answered in order", function()
    local sockethelper = require "http.sockethelper"
    local id = sockethelper.connect("127.0.0.1", tonumber(string.match(place, "%d+$")))
    local session = tls.newtls("client", tls.clientcontext(), "127.0.0.1")
    tls.init_requestfunc(id, session)()
    tls.writefunc(id, session)("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    check.matches(tls.readallfunc(id, session)(), "^HTTP/1.1 200 OK\r\n.*\r\n\r\n/a HTTP/1.1 200 OK\r\n.*\r\n\r\n/b $")
    tls.closefunc(session)()
    sockethelper.close(id)
  end)
  test("the deadline of a request is for TLS, too", function()
    local silent = listen(function(read) read() read() end)
    httpc.timeout = 100
    check.raises("timeout$", httpc.get, silent, "/")
    httpc.timeout = nil
  end)
  test("a stream over TLS that nobody has any more is closed by the collector", function()
    -- It ends the session together with the stream, whose goodbye then raised and left the socket open.
    local is_over
    local endless = listen(function(read, write)
      read()
      write "HTTP/1.1 200 OK\r\n\r\nx"
      is_over = not pcall(read)
    end)
    check.equal(httpc.request_stream("GET", endless, "/")(), "x")
    collectgarbage()
    check.wait_until(function() return is_over end)
  end)
  test("an answer over TLS that ends too early is socket_error", function()
    local rude = listen(function(read, write)
      read()
      write "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    end)
    check.raises("Socket Error", httpc.get, rude, "/")
  end)
  test("a connection that the server has closed without a word over TLS is made again", function()
    local count = 0
    local fickle = listen(function(read, write, client)
      count = count + 1
      read()
      write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" .. count)
      read() -- takes the second request, and does not answer it
      socket.close(client)
    end)
    for i = 1, 3 do check.equal({ httpc.get(fickle, "/") }, { 200, tostring(i) }) end
  end)
  check.done()
end)
