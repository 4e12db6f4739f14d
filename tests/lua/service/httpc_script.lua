-- http.httpc against http.httpd, and against servers that behave badly.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local httpc = require "http.httpc"
local internal = require "http.internal"
local sockethelper = require "http.sockethelper"
local check = require "check"
local test = check.test

local accepted = 0 -- connections of the good server

local function echo(url, method, header, body)
  local fields = {}
  for name, value in pairs(header) do
    fields[#fields + 1] = name .. "=" .. (type(value) == "table" and table.concat(value, "+") or value)
  end
  table.sort(fields)
  return table.concat({ method, url, table.concat(fields, ","), body }, "|")
end

local function serve(id)
  accepted = accepted + 1
  socket.start(id)
  local read, write = sockethelper.readfunc(id), sockethelper.writefunc(id)
  local is_persistent
  repeat
    local code, url, method, header, body
    code, url, method, header, body, is_persistent = httpd.read_request(read, nil, write)
    if code == 200 then
      local text = echo(url, method, header, body)
      local left = 3
      if method == "HEAD" then
        httpd.write_response(write, 200, nil, { ["content-length"] = #text })
      elseif url == "/stream" then
        httpd.write_response(write, 200, function()
          left = left - 1
          return left >= 0 and string.rep("x", 1000) or nil
        end)
      elseif url == "/moved" then
        httpd.write_response(write, 302, "elsewhere", { location = "/", ["set-cookie"] = { "a=1", "b=2" } })
      else
        httpd.write_response(write, 200, text)
      end
    end
  until not is_persistent
  socket.close(id)
end

local function listen(f)
  local id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(id, f)
  return "127.0.0.1:" .. port, id
end

--- A server that writes `text` to everybody, and closes.
local function listen_with(text)
  return listen(function(id)
    socket.start(id)
    socket.read(id)
    socket.write(id, text)
    socket.close(id)
  end)
end

local place

local function test_requests()
  test("a short timeout is not late because long deadlines are already watched", function()
    local asked = 0
    local late = listen(function(id)
      socket.start(id)
      socket.read(id)
      asked = asked + 1
      skynet.sleep(50)
      socket.write(id, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      socket.close(id)
    end)
    local await = check.in_background(httpc.get, late, "/") -- within the 30 s that are the default
    check.wait_until(function() return asked == 1 end)
    httpc.timeout = 10
    check.raises("timeout", httpc.get, late, "/")
    httpc.timeout = nil
    check.equal(await(), { true, 200, "", n = 3 })
  end)
  test("get, post, head and request give status and body", function()
    check.equal({ httpc.get(place, "/a?b=c") }, { 200, "GET|/a?b=c|host=" .. place .. "|" })
    check.equal({ httpc.post(place, "/f", { b = { 1, "2" }, ["a&"] = "x y/ä" }) },
      { 200, "POST|/f|content-length=27,content-type=application/x-www-form-urlencoded,host=" .. place
        .. "|a%26=x%20y%2F%C3%A4&b=1&b=2" })
    check.equal({ httpc.head(place, "/") }, { 200 })
    check.equal({ httpc.request("PUT", "http://" .. place, "/p", nil, { ["x-y"] = { "1", "2" } }, "body") },
      { 200, "PUT|/p|content-length=4,host=" .. place .. ",x-y=1+2|body" })
    check.equal({ httpc.request("POST", place, "") }, { 200, "POST|/|content-length=0,host=" .. place .. "|" })
    check.equal({ httpc.get(place, "/", nil, { Host = "other" }) }, { 200, "GET|/|host=other|" })
  end)
  test("the header of an answer is given, a redirection not followed", function()
    local header = {}
    check.equal({ httpc.get(place, "/moved", header) }, { 302, "elsewhere" })
    check.equal(header, { location = "/", ["set-cookie"] = { "a=1", "b=2" }, ["content-length"] = "9" })
  end)
  test("a connection is used again for what may be repeated", function()
    httpc.get(place, "/")
    local before = accepted
    for i = 1, 20 do
      check.equal({ httpc.get(place, "/" .. i) }, { 200, "GET|/" .. i .. "|host=" .. place .. "|" })
    end
    check.equal(accepted, before)
    httpc.post(place, "/", {})
    check.equal(accepted, before + 1)
  end)
  test("requests at once have connections of their own", function()
    local results = check.in_parallel(30, function(i) return httpc.get(place, "/" .. i) end)()
    for i, result in ipairs(results) do
      check.equal({ result[1], result[2], result[3] }, { true, 200, "GET|/" .. i .. "|host=" .. place .. "|" })
    end
  end)
  test("a large body goes there and back", function()
    local body = string.rep("0123456789", 300000)
    local status, answer = httpc.request("POST", place, "/", nil, nil, body)
    check.equal({ status, #answer, string.sub(answer, -#body) == body }, { 200, #answer, true })
  end)
end

local function test_streams()
  test("a stream gives its pieces, then its connection is used again", function()
    local stream = httpc.request_stream("GET", place, "/stream")
    check.equal({ stream.status, stream.header["transfer-encoding"] }, { 200, "chunked" })
    local bytes = 0
    for piece, itself in stream do
      bytes = bytes + #piece
      check.equal(itself == stream, true)
    end
    check.equal(bytes, 3000)
    check.equal(stream(), nil)
    local before = accepted
    httpc.get(place, "/")
    check.equal(accepted, before)
    stream:close()
  end)
  local function listen_endlessly()
    return listen(function(id)
      socket.start(id)
      socket.read(id)
      socket.write(id, "HTTP/1.1 200 OK\r\n\r\nx")
      check.equal(socket.read(id), false)
      socket.close(id)
      skynet.wakeup(test)
    end)
  end
  test("a stream that is closed ends its connection", function()
    local endless, listener = listen_endlessly()
    local stream = httpc.request_stream("GET", endless, "/")
    check.equal(stream(), "x")
    skynet.fork(stream.close, stream)
    skynet.wait(test)
    check.equal(stream(), nil)
    socket.close(listener)
  end)
  test("a stream that nobody has any more is closed by the collector", function()
    local endless, listener = listen_endlessly()
    check.equal(httpc.request_stream("GET", endless, "/")(), "x")
    collectgarbage()
    skynet.wait(test)
    socket.close(listener)
  end)
end

local function test_bad_servers()
  test("an answer without a length ends with its connection", function()
    check.equal({ httpc.get(listen_with "HTTP/1.0 200 OK\r\n\r\nall of it", "/") }, { 200, "all of it" })
  end)
  test("an answer without a length is not whole when a reset cuts it", function()
    local resetting = "127.0.0.1:" .. skynet.getenv "reset_port"
    local function read_stream()
      for _ in httpc.request_stream("GET", resetting, "/") do end
    end
    for _, f in ipairs { read_stream, function() httpc.request("POST", resetting, "/") end } do
      local is_done, err = pcall(f)
      check.equal({ is_done, err == sockethelper.socket_error }, { false, true })
    end
  end)
  test("an answer that ends too early is socket_error", function()
    for _, text in ipairs {
      "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    } do
      local is_done, err = pcall(httpc.request, "POST", listen_with(text), "/")
      check.equal({ is_done, err == sockethelper.socket_error }, { false, true })
    end
  end)
  test("an answer that is none, or ambiguous, or too large is refused", function()
    for reason, text in pairs {
      ["no status line"] = "SSH-2.0-x\r\n\r\n",
      ["content%-length and transfer%-encoding"] =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ["more than one Content%-Length"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      ["a header of more than 8192 bytes"] = "HTTP/1.1 200 OK\r\nX: " .. string.rep("x", 9000),
      ["a body of more than 67108864 bytes"] = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    } do
      check.raises("^http response refused: .*" .. reason, httpc.get, listen_with(text), "/")
    end
  end)
  test("an answer at the limits is read, and one byte more is refused", function()
    local function answer(header_bytes, length)
      local first = "HTTP/1.1 200 OK\r\nContent-Length: " .. length .. "\r\nX: "
      return listen_with(first .. string.rep("x", header_bytes - #first - 4) .. "\r\n\r\nhello")
    end
    check.equal({ httpc.get(answer(8192, 5), "/") }, { 200, "hello" })
    check.raises("a header of more than 8192 bytes", httpc.get, answer(8193, 5), "/")
    check.raises("Socket Error", httpc.get, answer(100, 67108864), "/") -- ends after five of them
    check.raises("a body of more than 67108864 bytes", httpc.get, answer(100, 67108865), "/")
  end)
  test("what follows an answer is no answer to the next request", function()
    local count = 0
    local greedy = listen(function(id)
      count = count + 1
      socket.start(id)
      while socket.read(id) do
        socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" .. count
          .. "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
      end
      socket.close(id)
    end)
    check.equal({ httpc.get(greedy, "/"), (select(2, httpc.get(greedy, "/"))) }, { 200, "2" })
  end)
  test("a connection that the server has closed meanwhile is made again", function()
    local count = 0
    local fickle = listen(function(id)
      count = count + 1
      socket.start(id)
      socket.read(id)
      socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" .. count)
      socket.read(id) -- takes the second request, and does not answer it
      socket.close(id)
    end)
    check.equal({ httpc.get(fickle, "/") }, { 200, "1" })
    check.equal({ httpc.get(fickle, "/") }, { 200, "2" })
  end)
  test("interim answers are skipped", function()
    check.equal({ httpc.get(listen_with("HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), "/") },
      { 204, "" })
  end)
  test("a change of protocol leaves the stream to whoever goes on", function()
    local text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nframes"
    local read = function()
      local bytes = text
      text = ""
      return bytes
    end
    local status, body = internal.request({ read = read, write = function() end }, "GET", "h", "/")
    check.equal({ status, body, internal.unread[read] }, { 101, "", "frames" })
  end)
end

local function test_arguments()
  test("nobody there is told with the address", function()
    local gone, listener = listen(serve)
    socket.close(listener)
    check.raises("^http connect error host:127.0.0.1, port:%d+, timeout:3000: ", httpc.get, gone, "/")
  end)
  test("spaces and text beyond ASCII in a url are escaped, as programs leave them for servers to read", function()
    local _, text = httpc.get(place, "/a b/ä?name=名&x={%20}")
    check.equal(text:match "^GET|([^|]*)", "/a%20b/%C3%A4?name=%E5%90%8D&x={%20}")
  end)
  test("arguments that are none are told", function()
    for _, host in ipairs {
      "", "a b", "a:b", "a:0", "a:65536", "ftp://a", "http://", "a/b", "a\r\nx: y", "user@a", "[::1", "http://a/b",
    } do
      check.raises("^http host .* is no %[http%[s%]://%]host%[:port%]$", httpc.get, host, "/")
    end
    check.raises("^http url .* must be escaped$", httpc.get, place, "/\r\nx: y")
    check.raises("^http method \"G T\" is no token$", httpc.request, "G T", place, "/")
    check.raises("the value of header a has an end of line in it", httpc.get, place, "/", nil, { a = "b\r\nc: d" })
  end)
  test("names are asked of the dns that was chosen", function()
    local asked = {}
    package.loaded["skynet.dns"] = {
      server = function(...) asked[#asked + 1] = table.concat({ ... }, ":") end,
      resolve = function(name)
        asked[#asked + 1] = name
        return "127.0.0.1"
      end,
    }
    httpc.dns("10.0.0.1", 53)
    local port = string.match(place, ":(%d+)$")
    check.equal({ (httpc.get("example.test:" .. port, "/")) }, { 200 })
    check.equal({ (httpc.request("POST", place, "/")) }, { 200 })
    check.equal(asked, { "10.0.0.1:53", "example.test" })
  end)
end

skynet.start(function()
  place = listen(serve)
  test_requests()
  test_streams()
  test_bad_servers()
  test_arguments()
  check.done()
end)
