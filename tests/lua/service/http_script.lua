-- http.httpd, http.internal, http.url and http.sockethelper.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local url = require "http.url"
local check = require "check"
local test = check.test

--- A read function that gives `text` in pieces of n bytes, then fails.
local function pieces_of(text, n)
  local position = 1
  return function()
    local piece = string.sub(text, position, position + n - 1)
    position = position + n
    if piece == "" then error "the end" end
    return piece
  end
end

--- The request, however its bytes are cut; it must be the same each time.
local function read(text, limit)
  local first
  for _, n in ipairs { 1, 2, 7, 100000 } do
    local found = table.pack(httpd.read_request(pieces_of(text, n), limit))
    first = first or found
    check.equal(found, first)
  end
  return first
end

local function post(header, body)
  return string.format("POST /x HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", header, body or "")
end

local function check_code(code, text, limit)
  local found = read(text, limit)
  if found[1] ~= code then
    error(string.format("%s instead of %s for %q", found[1], code, string.sub(text, 1, 200)), 2)
  end
end

local function test_requests()
  test("a request has its url, method, header and body", function()
    check.equal(read "GET /a%20b?c=1 HTTP/1.1\r\nHost: x\r\nX-Many:1\r\nX-Many: \t 2 \r\n\r\n",
      { 200, "/a%20b?c=1", "GET", { host = "x", ["x-many"] = { "1", "2" } }, "", true, n = 6 })
    check.equal(read(post("Content-Length: 5", "hello, and more"))[5], "hello")
    check.equal(read(post("content-length: 000")), { 200, "/x", "POST", { host = "x", ["content-length"] = "000" }, "", true, n = 6 })
  end)
  test("a request tells whether its connection goes on", function()
    check.equal(read("GET / HTTP/1.0\r\n\r\n")[6], false)
    check.equal(read("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[6], false)
    check.equal(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")[6], true)
  end)
  test("what comes behind a request is the next one, however it is cut", function()
    local text = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" .. post("Content-Length: 2", "hi")
      .. post("Transfer-Encoding: chunked", "2\r\nho\r\n0\r\n\r\n") .. "GET /4 HTTP/1.1\r\nHost: x\r\n\r\n"
    for _, n in ipairs { 1, 2, 7, 50, 100000 } do
      local from = pieces_of(text, n)
      local found = {}
      for i = 1, 4 do
        local _, url, method, _, body = httpd.read_request(from)
        found[i] = table.concat({ method, url, body }, " ")
      end
      check.equal(found, { "GET /1 ", "POST /x hi", "POST /x ho", "GET /4 " })
      check.equal(httpd.read_request(from), nil)
    end
  end)
  test("a client that waits for it is told to continue, once", function()
    local written = {}
    local head = post "Expect: 100-continue\r\nContent-Length: 4"
    local from = pieces_of(head .. "body", #head)
    local code, _, _, _, body = httpd.read_request(from, 10, function(text) written[#written + 1] = text end)
    check.equal({ code, body, written }, { 200, "body", { "HTTP/1.1 100 Continue\r\n\r\n" } })
    local is_asked
    code = httpd.read_request(pieces_of(post("Expect: 100-continue\r\nContent-Length: 11"), 60), 10,
      function() is_asked = true end)
    check.equal({ code, is_asked }, { 413 })
  end)
  test("chunks are joined, their trailer is dropped", function()
    check.equal(read(post("Transfer-Encoding: chunked", "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX: 1\r\n\r\n"))[5],
      "hello0123456789")
    check.equal(read(post("Transfer-Encoding: chunked", "0\r\n\r\n"))[5], "")
  end)
  test("a body of very small chunks takes time in proportion to its size", function()
    local function seconds_of(chunks)
      local text = post("Transfer-Encoding: chunked", string.rep("1\r\nx\r\n", chunks) .. "0\r\n\r\n")
      local start = os.clock()
      local code, _, _, _, body = httpd.read_request(pieces_of(text, 1 << 20))
      check.equal({ code, #body }, { 200, chunks })
      return os.clock() - start
    end
    seconds_of(1000)
    local few, many = seconds_of(10000), seconds_of(100000)
    if many > 40 * few + 0.1 then
      error(string.format("%f s for 10 times what took %f s", many, few))
    end
  end)
  test("framing that is not clear is 400", function()
    for _, header in ipairs {
      "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked",
      "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5", "Content-Length: 5 5", "Content-Length:",
      "Content-Length: 5, 5", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    } do
      check_code(400, post(header, "hello"))
    end
    check_code(400, "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    for _, body in ipairs {
      "0x5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello", "\r\n", "5;x=1\r\nhello", "5 \r\nhello", "-1\r\n", "5\r\nhelloX\r\n",
      string.rep("0", 200) .. "\r\n",
    } do
      check_code(400, post("Transfer-Encoding: chunked", body))
    end
  end)
  test("lines that are no request or header are 400", function()
    for _, line in ipairs {
      "GET /x", "GET  /x HTTP/1.1", "GET /x y HTTP/1.1", "GET /x HTTP/1.1 ", "GET /x http/1.1", "G(T /x HTTP/1.1",
      "", "GET /x HTTP/11", "GET /\1 HTTP/1.1",
    } do
      check_code(400, line .. "\r\nHost: x\r\n\r\n")
    end
    for _, line in ipairs { "Host", ": x", "Ho st: x", " Host: x", "Host : x", "X: a\0b", "X: a\rb", "Host: a\r\nHost: b" } do
      check_code(400, post(line))
    end
  end)
  test("other versions are 505, other encodings 501", function()
    check_code(505, "GET / HTTP/2.0\r\n\r\n")
    check_code(505, "GET / HTTP/0.9\r\n\r\n")
    check_code(501, post("Transfer-Encoding: gzip"))
    check_code(501, post("Transfer-Encoding: gzip, chunked"))
    check_code(501, post("Transfer-Encoding: identity"))
    check.equal(read "GET / HTTP/2.0\r\n\r\n", { 505, "HTTP 505: version 2.0", n = 2 })
  end)
  test("what is too large is 413 before it has come", function()
    check_code(413, post "Content-Length: 11", 10)
    check_code(200, post("Content-Length: 10", "0123456789"), 10)
    check_code(413, post "Content-Length: 99999999999999999999999999999")
    check_code(413, post("Content-Length: " .. (8 << 20) + 1))
    check_code(413, post("Transfer-Encoding: chunked", "6\r\nhello!\r\n5\r\n"), 10)
    check_code(413, post("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFF\r\n"))
    check_code(413, post("X: " .. string.rep("x", 8192)))
    local start = "GET / HTTP/1.1\r\nHost: x\r\nX: "
    check_code(200, start .. string.rep("x", 8192 - #start - 4) .. "\r\n\r\n")
    check_code(413, start .. string.rep("x", 8193 - #start - 4) .. "\r\n\r\n")
    check_code(413, string.rep("x", 9000))
    check_code(413, post(string.rep("X: y\r\n", 129) .. "Z: y"))
    check_code(413, post("Transfer-Encoding: chunked", "0\r\n" .. string.rep("X: y\r\n", 200)))
  end)
  test("a stream that ends early is no code and its error", function()
    local found = read(post("Content-Length: 10", "short"))
    check.equal(found[1], nil)
    check.matches(found[2], "the end")
  end)
end

local function write(...)
  local written = {}
  local is_written, err = httpd.write_response(function(text) written[#written + 1] = text end, ...)
  return is_written and table.concat(written), err
end

local function test_responses()
  test("a response with a text has its length", function()
    check.equal(write(200, "hi"), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    check.equal(write(404, "", { ["Content-Length"] = 7 }), "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    check.equal(write(599, "x"), "HTTP/1.1 599 \r\ncontent-length: 1\r\n\r\nx")
  end)
  test("a status code may be whatever reads as a number, as it comes from another server or JSON", function()
    check.equal(write("404", ""), "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    check.equal(write(200.0, ""), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    check.matches(select(2, write("2xx", "")), "not between 100 and 999")
  end)
  test("header values are texts, numbers and lists", function()
    check.equal(write(204, nil, { a = { "x", "y" } }), "HTTP/1.1 204 No Content\r\na: x\r\na: y\r\n\r\n")
    check.equal(write(204, nil, { a = 5 }), "HTTP/1.1 204 No Content\r\na: 5\r\n\r\n")
  end)
  test("a response from a function is chunked", function()
    local parts = { "first", "", "second chunk" }
    check.equal(write(200, function() return table.remove(parts, 1) end),
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\nc\r\nsecond chunk\r\n0\r\n\r\n")
  end)
  test("a client of HTTP/1.0 gets no chunks, but the pieces and the end of the connection", function()
    local written, requests = "", { "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" }
    local function write(text) written = written .. text end
    local function read() return table.remove(requests, 1) end
    local function answer()
      local pieces = { "a", "", "bc" }
      written = ""
      check.equal(httpd.read_request(read, 9, write), 200)
      check.equal(httpd.write_response(write, 200, function() return table.remove(pieces, 1) end,
        { Connection = "keep-alive", ["content-length"] = 3 }), true)
      return written
    end
    check.matches(answer(), "\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n$")
    check.equal(answer(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc")
    requests[1] = "GET /3 HTTP/1.0\r\n\r\n"
    check.equal(httpd.read_request(read, 9, write), nil)
  end)
  test("a large body is written whole behind its header", function()
    local body = string.rep("0123456789", 10000)
    check.equal(write(200, body, { ["Content-Length"] = 5 }) ==
      "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" .. body, true)
  end)
  test("a response that cannot have a body has none", function()
    check.equal(write(204, "", { ["content-length"] = 5 }), "HTTP/1.1 204 No Content\r\n\r\n")
    check.equal(write(304, ""), "HTTP/1.1 304 Not Modified\r\n\r\n")
    check.matches(select(2, write(204, "x")), "a response 204 has no body")
    check.matches(select(2, write(100, function() end)), "a response 100 has no body")
  end)
  test("headers cannot be smuggled into a response", function()
    check.matches(select(2, write(200, "", { a = "b\r\nc: d" })), "has an end of line")
    check.matches(select(2, write(200, "", { ["a: b\r\nc"] = "d" })), "is no token")
    check.matches(select(2, write(99, "")), "not between 100 and 999")
    check.matches(select(2, write(200, {})), "a body is text or a function")
  end)
  test("an error of the stream is told", function()
    local is_written, err = httpd.write_response(function() error "gone" end, 200, "x")
    check.equal(is_written, false)
    check.matches(err, "gone")
  end)
end

local function test_urls()
  test("a url is split and decoded", function()
    check.equal({ url.parse "/a%20b/c?q=1&x" }, { "/a b/c", "q=1&x" })
    check.equal({ url.parse "/a" }, { "/a" })
    check.equal({ url.parse "http://host:80/a%2Fb?q" }, { "/a/b", "q" })
    check.equal({ url.parse "/a?u=http://x/y" }, { "/a", "u=http://x/y" })
    check.equal(url.parse_query "a=1&b=%41+c&a=2&c&a=3", { a = { "1", "2", "3" }, b = "A c", c = "" })
  end)
end

local function test_sockets()
  local listener, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listener, function(id)
    socket.start(id)
    skynet.fork(function()
      local code, target, method, _, body =
        httpd.read_request(sockethelper.readfunc(id, "POST /pre"), 100)
      httpd.write_response(sockethelper.writefunc(id), code, string.format("%s %s %s", method, target, body))
      socket.close(id)
    end)
  end)
  test("a request and a response go through sockets", function()
    local id = sockethelper.connect("127.0.0.1", port)
    sockethelper.writefunc(id)("fix HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo")
    sockethelper.writefunc(id)("dy")
    local response = sockethelper.readall(id)
    check.matches(response, "^HTTP/1.1 200 OK\r\n.*\r\n\r\nPOST /prefix body$")
    sockethelper.close(id)
  end)
  test("bytes read before come first, then exactly as many as wanted", function()
    local read_bytes = sockethelper.readfunc(-1, "abcdef")
    check.equal({ read_bytes(2), read_bytes(3), read_bytes() }, { "ab", "cde", "f" })
  end)
  test("requests on one connection are answered one by one", function()
    local fd_of_server
    local again, _, again_port = socket.listen("127.0.0.1", 0)
    socket.start(again, function(id)
      fd_of_server = id
      socket.start(id)
      local from, to = sockethelper.readfunc(id), sockethelper.writefunc(id)
      local code, target, is_persistent, _
      repeat
        code, target, _, _, _, is_persistent = httpd.read_request(from)
        if code == 200 then httpd.write_response(to, 200, target) end
      until not is_persistent
      socket.close(id)
    end)
    local id = sockethelper.connect("127.0.0.1", again_port)
    sockethelper.writefunc(id)("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.0\r\n\r\nGET /4")
    local bodies = {}
    for body in string.gmatch(sockethelper.readall(id), "\r\n\r\n(/%d)") do bodies[#bodies + 1] = body end
    check.equal(bodies, { "/1", "/2", "/3" })
    sockethelper.close(id)
    check.wait_until(function() return socket.invalid(fd_of_server) end)
    socket.close(again)
  end)
  test("bytes behind a request are the stream's that goes on", function()
    local other, _, other_port = socket.listen("127.0.0.1", 0)
    local seen
    socket.start(other, function(id)
      socket.start(id)
      local from = sockethelper.readfunc(id)
      httpd.read_request(from)
      seen = { from(3), from(5), (from()) }
      socket.close(id)
    end)
    local id = sockethelper.connect("127.0.0.1", other_port)
    sockethelper.writefunc(id)("GET / HTTP/1.1\r\nHost: x\r\n\r\nabcdefghij")
    check.wait_until(function() return seen end)
    check.equal(seen, { "abc", "defgh", "ij" })
    sockethelper.close(id)
    socket.close(other)
  end)
  test("failures of sockets are socket_error", function()
    local id = sockethelper.connect("127.0.0.1", port, 500)
    sockethelper.shutdown(id)
    local is_read, err = pcall(sockethelper.readfunc(id))
    check.equal({ is_read, err == sockethelper.socket_error, tostring(err) }, { false, true, "[Socket Error]" })
    check.equal(select(2, pcall(sockethelper.writefunc(id), "x")) == sockethelper.socket_error, true)
    socket.close(listener)
    check.equal(select(2, pcall(sockethelper.connect, "127.0.0.1", port)) == sockethelper.socket_error, true)
    check.equal(select(2, pcall(sockethelper.connect, "127.0.0.1", port, 500)) == sockethelper.socket_error, true)
  end)
end

skynet.start(function()
  test_requests()
  test_responses()
  test_urls()
  test_sockets()
  check.done()
end)
