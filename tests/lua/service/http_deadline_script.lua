-- Deadlines of http.httpd and http.httpc: 0.5 s for a header, 1 s without progress.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local httpc = require "http.httpc"
local sockethelper = require "http.sockethelper"
local check = require "check"
local test = check.test

--- A server that calls f(id) for each client: its port.
local function listen(f)
  local id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(id, function(client)
    socket.start(client)
    f(client)
    socket.close(client)
  end)
  return port
end

local function test_server()
  local port = listen(function(id)
    local read, write = sockethelper.readfunc(id), sockethelper.writefunc(id)
    local code, reason = httpd.read_request(read)
    if code then httpd.write_response(write, code, tostring(reason)) end
  end)
  local function answer_to(text)
    local id = sockethelper.connect("127.0.0.1", port)
    sockethelper.writefunc(id)(text)
    local answer = sockethelper.readall(id)
    sockethelper.close(id)
    return answer
  end
  test("a header that does not come in time is 408", function()
    for _, text in ipairs { "G", "GET / HTTP/1.1\r\nHost: x\r\n" } do
      check.matches(answer_to(text), "^HTTP/1.1 408 Request Timeout\r\n.*HTTP 408: the request did not come in time$")
    end
  end)
  test("a connection on which no request begins is closed without an answer", function()
    check.equal(answer_to "", "")
  end)
  test("a body that stops is 408", function()
    check.matches(answer_to "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", "^HTTP/1.1 408 ")
    check.matches(answer_to "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", "^HTTP/1.1 408 ")
  end)
  test("a body that goes on may take longer than one wait", function()
    local id = sockethelper.connect("127.0.0.1", port)
    sockethelper.writefunc(id) "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n"
    for _ = 1, 8 do
      skynet.sleep(15) -- all of them together are longer than a wait may be
      sockethelper.writefunc(id) "x"
    end
    check.matches(sockethelper.readall(id), "^HTTP/1.1 200 ")
    sockethelper.close(id)
  end)
  test("a deadline ends with its request", function()
    local result
    local slow_port = listen(function(id)
      local read = sockethelper.readfunc(id)
      httpd.read_request(read)
      result = read()
    end)
    local id = sockethelper.connect("127.0.0.1", slow_port)
    sockethelper.writefunc(id) "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    skynet.sleep(100)
    sockethelper.writefunc(id) "late"
    check.wait_until(function() return result end)
    check.equal(result, "late")
    sockethelper.close(id)
  end)
end

local function test_client()
  local silent = "127.0.0.1:" .. listen(function(id) socket.readall(id) end)
  local slow = "127.0.0.1:" .. listen(function(id)
    socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
    socket.readall(id)
  end)
  test("an answer that does not come or stops is a timeout", function()
    check.raises("^http GET 127.0.0.1:%d+: timeout$", httpc.get, silent, "/")
    check.raises("^http GET 127.0.0.1:%d+: timeout$", httpc.get, slow, "/")
    local stream = httpc.request_stream("GET", slow, "/")
    check.equal(stream(), "x")
    check.raises("timeout$", stream)
    check.equal(stream(), nil)
  end)
  test("a header that comes byte by byte has the time of a header", function()
    local drip = "127.0.0.1:" .. listen(function(id)
      socket.write(id, "HTTP/1.1 200 OK\r\nX: ")
      while socket.write(id, "x") do skynet.sleep(2) end
    end)
    check.raises("timeout$", httpc.get, drip, "/")
    check.raises("timeout$", httpc.request_stream, "GET", drip, "/")
  end)
  test("interim answers may take longer than one header", function()
    local busy = "127.0.0.1:" .. listen(function(id)
      for _ = 1, 8 do
        socket.write(id, "HTTP/1.1 102 Processing\r\n\r\n")
        skynet.sleep(15)
      end
      socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    end)
    check.equal({ httpc.get(busy, "/") }, { 200, "x" })
  end)
  local endless = "127.0.0.1:" .. listen(function(id)
    socket.write(id, "HTTP/1.1 200 OK\r\n\r\n")
    while socket.write(id, "x") do skynet.sleep(2) end -- progress, without end
  end)
  test("a timeout of the caller's is for the whole request", function()
    httpc.timeout = 60
    check.raises("timeout$", httpc.get, endless, "/")
    httpc.timeout = nil
  end)
end

skynet.start(function()
  test_server()
  test_client()
  check.done()
end)
