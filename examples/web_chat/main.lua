-- A chat in the browser. GET / is the page; it talks to GET /chat by WebSocket. The first message of a
-- client is its name, each one after that a line, which everybody gets as "name: line".
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local websocket = require "http.websocket"

local NAME_BYTES_MAX = 32

local names = {} -- by connection; false: it has not told its name yet

local function tell_everybody(text)
  for id, name in pairs(names) do
    -- It may be closing, or gone: then its own coroutine takes it out.
    if name and not websocket.is_close(id) then pcall(websocket.write, id, text) end
  end
end

local chat = {}

function chat.handshake(id)
  names[id] = false
end

function chat.message(id, text)
  local name = names[id]
  if name then return tell_everybody(("%s: %s"):format(name, text)) end
  if text == "" or #text > NAME_BYTES_MAX or text:find "%c" then
    return websocket.close(id, 1008, "a name has 1 to 32 bytes")
  end
  names[id] = text
  tell_everybody(("* %s has come"):format(text))
end

local function leave(id)
  local name = names[id]
  names[id] = nil
  if name then tell_everybody(("* %s has gone"):format(name)) end
end

chat.close = leave
chat.error = leave

local function read_page()
  local file = assert(io.open(skynet.getenv "web_chat_page"))
  local page = file:read "a"
  file:close()
  return page
end

local page = read_page()

local function serve(id, addr)
  local read, write = sockethelper.readfunc(id), sockethelper.writefunc(id)
  local code, url, method, header = httpd.read_request(read, 0)
  if code == 200 and method == "GET" and url == "/chat" then
    local request = { url = url, method = method, header = header, read = read, write = write }
    return websocket.accept(id, chat, "ws", addr, { upgrade = request })
  elseif code == 200 and method == "GET" and url == "/" then
    httpd.write_response(write, 200, page,
      { ["content-type"] = "text/html; charset=utf-8", connection = "close" })
  elseif code then
    httpd.write_response(write, code == 200 and 404 or code, nil, { ["content-length"] = 0, connection = "close" })
  end
end

skynet.start(function()
  local host, port = skynet.getenv "web_chat_host", tonumber(skynet.getenv "web_chat_port")
  local listener = socket.listen(host, port)
  socket.start(listener, function(id, addr)
    socket.start(id)
    serve(id, addr)
    socket.close(id)
  end)
  skynet.error(("chat on http://%s:%d/"):format(host, port))
end)
