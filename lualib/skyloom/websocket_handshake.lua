-- The opening handshake of http.websocket, loaded by the first connection.
local skynet = require "skynet"
local codec = require "skyloom.websocket"
local httpd = require "http.httpd"

local M = {}

local VERSION = "13"
local HAS_BODY = {} -- raised behind a header that says that there is more
local PORTS = { ws = 80, wss = 443 }
-- What the handshake itself says; anything else in a header is the caller's.
local RESERVED = {
  upgrade = true, connection = true, ["sec-websocket-key"] = true, ["sec-websocket-version"] = true,
  ["sec-websocket-extensions"] = true, ["sec-websocket-accept"] = true,
}

local function compression()
  return skynet.getenv "ws_compression" or "no_takeover"
end

---The value of a field, "" without one. A field that comes again has a list.
local function text_of(value)
  return type(value) == "table" and table.concat(value, ", ") or value or ""
end

-- --- the server's side

---Reads the request; the bytes behind its header stay in `connection.rest`.
---@param connection http.websocket.connection
---@return {url: string, method: string, header: table}
function M.read_request(connection)
  local tail, is_over = "", false
  local function read()
    if is_over then error(HAS_BODY) end
    local bytes = connection.read()
    local joined = tail .. bytes
    local _, last = joined:find("\r\n\r\n", 1, true)
    if not last then
      tail = joined:sub(-3)
      return bytes
    end
    is_over = true
    connection.rest = joined:sub(last + 1)
    return bytes:sub(1, #bytes - #connection.rest)
  end
  local code, url, method, header = httpd.read_request(read, 0)
  if code == 200 then return { url = url, method = method, header = header } end
  if url == HAS_BODY then return { refusal = 400, reason = "a request for an upgrade has no body" } end
  if code then return { refusal = code, reason = url } end
  error(url, 0)
end

---Why a request is refused: a status and a text; nil: it is one for WebSocket.
local function fault_of(request)
  local header = request.header
  if request.refusal then return request.refusal, request.reason end
  if request.method ~= "GET" then return 400, ("the method is %s, not GET"):format(request.method) end
  if not header.host then return 400, "no Host" end
  if not codec.has_token(text_of(header.upgrade), "websocket") then return 400, "no Upgrade: websocket" end
  if not codec.has_token(text_of(header.connection), "upgrade") then return 400, "no Connection: Upgrade" end
  if header["sec-websocket-version"] ~= VERSION then return 426, "Sec-WebSocket-Version is not 13" end
  local key = header["sec-websocket-key"]
  if type(key) ~= "string" or not codec.accept_key(key) then
    return 400, "Sec-WebSocket-Key is not 16 bytes in base64"
  end
end

---The first subprotocol of the client that is one of ours.
local function choose_protocol(header, protocols)
  for name in text_of(header["sec-websocket-protocol"]):gmatch "[^%s,]+" do
    for _, ours in ipairs(protocols) do
      if name == ours then return ours end
    end
  end
end

local function refuse(connection, status, reason)
  local header = { connection = "close" }
  if status == 426 then header["sec-websocket-version"] = VERSION end
  httpd.write_response(connection.write, status, reason .. "\r\n", header)
  return false, reason
end

---Answers a request: true, and `connection.codec` is there; or false and why it was refused.
---@param connection http.websocket.connection
---@param request table
---@param limit integer bytes of a message
---@param protocols? string[] subprotocols; default: chat
---@return boolean is_open
---@return string? why
function M.answer(connection, request, limit, protocols)
  local status, reason = fault_of(request)
  if status then return refuse(connection, status, reason) end
  local header = request.header
  local opened, extensions =
    codec.server(limit, text_of(header["sec-websocket-extensions"]), compression())
  if not opened then return refuse(connection, 400, extensions) end
  local protocol = choose_protocol(header, protocols or { "chat" })
  connection.write(table.concat {
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    codec.accept_key(header["sec-websocket-key"]), "\r\n",
    protocol and ("Sec-WebSocket-Protocol: %s\r\n"):format(protocol) or "",
    extensions ~= "" and ("Sec-WebSocket-Extensions: %s\r\n"):format(extensions) or "", "\r\n",
  })
  opened:feed(connection.rest)
  connection.rest = ""
  connection.codec = opened
  connection.real_ip = type(header["x-real-ip"]) == "string" and header["x-real-ip"] or nil
  return true
end

-- --- the client's side

---@param url string
---@return {is_secure: boolean, authority: string, host: string, port: integer, path: string}
function M.parse_url(url)
  local scheme, authority, path = tostring(url):match "^(wss?)://([^/?#@%s%c]+)([^#%s%c]*)$"
  if not scheme or path:find "^[^/?]" then error(("websocket.connect: %q is no ws:// or wss:// address"):format(url), 3) end
  local host, port = authority:match "^%[([%x:.]+)%](.*)$"
  if not host then
    host, port = authority:match "^([^:%[%]]+)(.*)$"
  end
  local number = port == "" and PORTS[scheme] or math.tointeger(tonumber((port or ""):match "^:(%d%d?%d?%d?%d?)$"))
  if not host or not number or number < 1 or number > 65535 then
    error(("websocket.connect: %q has no valid host and port"):format(url), 3)
  end
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  return { is_secure = scheme == "wss", authority = authority, host = host, port = number, path = path }
end

local function add_field(lines, name, value)
  if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+%-.^_`|~]+$" then
    error(("websocket.connect: header name %q is no token"):format(tostring(name)), 4)
  end
  if RESERVED[name:lower()] then
    error(("websocket.connect: header %s is the handshake's own"):format(name), 4)
  end
  if tostring(value):find "[%z\1-\8\10-\31\127]" then
    error(("websocket.connect: the value of header %s has a control character"):format(name), 4)
  end
  lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
end

---@return string request
---@return string key
function M.request(target, header)
  local key = codec.new_key()
  local lines = { ("GET %s HTTP/1.1\r\n"):format(target.path) }
  local has_host = false
  for name, value in pairs(header) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do add_field(lines, name, one) end
    has_host = has_host or name:lower() == "host"
  end
  if not has_host then lines[#lines + 1] = ("Host: %s\r\n"):format(target.authority) end
  local offer = codec.offer(compression())
  if offer ~= "" then lines[#lines + 1] = ("Sec-WebSocket-Extensions: %s\r\n"):format(offer) end
  lines[#lines + 1] = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %s\r\n"):format(VERSION)
  lines[#lines + 1] = ("Sec-WebSocket-Key: %s\r\n\r\n"):format(key)
  return table.concat(lines), key
end

local function was_asked_for(protocol, header)
  for name, value in pairs(header) do
    if name:lower() == "sec-websocket-protocol" then
      for one in text_of(value):gmatch "[^%s,]+" do
        if one == protocol then return true end
      end
    end
  end
  return false
end

---Reads the answer of a server. Raises why it is none.
---@param connection http.websocket.connection
---@param key string
---@param limit integer bytes of a message
---@param header table of the request
function M.read_answer(connection, key, limit, header)
  local bytes, opened, size, protocol = "", nil, nil, nil
  repeat
    bytes = bytes .. connection.read()
    opened, size, protocol = codec.client(limit, bytes, key, compression())
  until opened ~= nil
  if not opened then error("websocket: " .. size, 0) end
  if protocol ~= "" and not was_asked_for(protocol, header) then
    error(("websocket: the server chose subprotocol %q, which was not asked for"):format(protocol), 0)
  end
  opened:feed(bytes:sub(size + 1))
  connection.codec = opened
end

return M
