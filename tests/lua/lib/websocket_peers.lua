-- What the tests of http.websocket share: a server with its callbacks told, and peers made by hand.
local socket = require "skynet.socket"
local websocket = require "http.websocket"
local check = require "check"

local peers = { raw_sockets = {}, KEY = "dGhlIHNhbXBsZSBub25jZQ==" }
local KEY = peers.KEY

--- Accepts connections until the test has ended. `server.results` has what each accept() gave,
--- `server.calls` what the callbacks got.
function peers.serve(handle, protocol, options)
  local server = { calls = {}, results = {}, ids = {} }
  local told = {}
  for _, name in ipairs { "connect", "handshake", "message", "ping", "pong", "close", "error" } do
    told[name] = function(id, ...)
      local arguments = name == "handshake" and { (select(2, ...)) } or { ... }
      server.calls[#server.calls + 1] = { name, table.unpack(arguments) }
      if handle and handle[name] then return handle[name](id, ...) end
    end
  end
  local listener, _, port = socket.listen("127.0.0.1", 0)
  server.port, server.listener = port, listener
  socket.start(listener, function(id, addr)
    server.ids[#server.ids + 1] = id
    server.results[#server.results + 1] = table.pack(websocket.accept(id, told, protocol, addr, options))
  end)
  return server
end

function peers.ended(server, n)
  check.wait_until(function() return #server.results >= (n or 1) end)
  socket.close(server.listener)
  return server.results[n or 1]
end

function peers.url_of(server, path)
  return ("ws://127.0.0.1:%d%s"):format(server.port, path or "/")
end

peers.echo = { message = function(id, data, kind) websocket.write(id, data, kind) end }

-- --- a client by hand

local REQUEST = {
  "GET /chat?x=1 HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Key: " .. KEY, "Sec-WebSocket-Version: 13",
}

--- The request, with lines replaced (by number) or added; "" leaves one out.
function peers.request(changes)
  local lines = {}
  for i, line in ipairs(REQUEST) do lines[i] = changes and changes[i] or line end
  for i = #REQUEST + 1, #REQUEST + 3 do lines[#lines + 1] = changes and changes[i] end
  local text = {}
  for _, line in ipairs(lines) do
    if line ~= "" then text[#text + 1] = line .. "\r\n" end
  end
  return table.concat(text) .. "\r\n"
end

local raw_sockets = peers.raw_sockets

function peers.raw_client(server, text)
  local fd = assert(socket.open("127.0.0.1", server.port))
  raw_sockets[#raw_sockets + 1] = fd
  socket.write(fd, text)
  return fd
end

function peers.read_head(fd)
  return socket.readline(fd, "\r\n\r\n")
end

function peers.open_by_hand(server, changes)
  local fd = peers.raw_client(server, peers.request(changes))
  return fd, peers.read_head(fd)
end

function peers.frame(first, payload)
  local size = #payload < 126 and string.pack("B", 0x80 | #payload)
    or #payload < 65536 and string.pack(">BI2", 0x80 | 126, #payload) or string.pack(">BI8", 0x80 | 127, #payload)
  return string.char(first) .. size .. "\0\0\0\0" .. payload
end

--- First byte and payload of the next frame of a server.
function peers.read_frame(fd)
  local first, size = string.unpack("BB", (assert(socket.read(fd, 2))))
  if size == 126 then size = string.unpack(">I2", (socket.read(fd, 2))) end
  if size == 127 then size = string.unpack(">I8", (socket.read(fd, 8))) end
  return first, size == 0 and "" or assert(socket.read(fd, size))
end

function peers.close_code(payload)
  return (string.unpack(">I2", payload))
end

-- --- a server by hand

--- Answers the first connection with `answer` (a text, or a function of the request).
function peers.serve_by_hand(answer)
  local listener, _, port = socket.listen("127.0.0.1", 0)
  local server = { port = port }
  socket.start(listener, function(fd)
    socket.start(fd)
    local head = peers.read_head(fd)
    server.request = head
    server.fd = fd
    raw_sockets[#raw_sockets + 1] = fd
    if head then socket.write(fd, type(answer) == "function" and answer(head) or answer) end
    socket.close(listener)
  end)
  return server
end

function peers.upgrade(more)
  return function(head)
    local key = head:match "Sec%-WebSocket%-Key: (%S+)"
    local accept = require("skynet.crypt").base64encode(
      require("skynet.crypt").sha1(key .. "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
    return "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
      .. accept .. "\r\n" .. more
  end
end

return peers
