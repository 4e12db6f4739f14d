-- WebSocket (RFC 6455) with permessage-deflate, both sides, plain (`ws`) and over TLS (`wss`). The codec
-- is C++ (skyloom.websocket); here are its sockets, the closing handshake, and who is called when.
--
-- Keys of the configuration: ws_message_max (bytes of a message, also inflated; default 256 KiB),
-- ws_close_timeout and handshake_timeout (ms; default 5000), ws_compression ("none", "no_takeover", which
-- is the default, or "takeover": windows on both sides, about 300 KB per connection).
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local setting = require "skyloom.setting"

local websocket = {}

local MESSAGE_BYTES_MAX = 1 << 30
local within = require("skyloom.deadline").within
local PROTOCOL_NAMES = { ws = true, wss = true }

---@class http.websocket.connection
---@field id integer
---@field codec table? of skyloom.websocket, once the handshake is done
---@field read fun(): string raises at the end of the stream
---@field write fun(bytes: string) raises when the socket is gone
---@field finish fun()? says goodbye to TLS
---@field is_client boolean
---@field is_reading boolean? somebody waits for bytes
---@field is_closing boolean? nothing is sent any more
---@field closer table? what close() waits with for the reader to see the peer's close frame
---@field rest string bytes behind the handshake
---@field handle table? callbacks of accept()
---@field addr string?
---@field real_ip string?

local connections = {} ---@type table<integer, http.websocket.connection>

local function message_bytes_max()
  local bytes = setting.number("ws_message_max", 256 * 1024)
  return bytes == 0 and MESSAGE_BYTES_MAX or math.min(bytes, MESSAGE_BYTES_MAX)
end

local function cs_of(key)
  return setting.cs(key, 5000)
end

---@param connection http.websocket.connection
local function open_plain(connection)
  connection.read = sockethelper.readfunc(connection.id)
  connection.write = sockethelper.writefunc(connection.id)
end

---@param connection http.websocket.connection
---@param context userdata
---@param host string? of the server, on the client's side
local function open_tls(connection, context, host)
  local tls = require "http.tlshelper"
  local session = tls.newtls(connection.is_client and "client" or "server", context, host)
  local start = connection.is_client and tls.init_requestfunc or tls.init_responsefunc
  local is_open, failure = pcall(start(connection.id, session))
  if not is_open then
    session:close()
    error(failure, 0)
  end
  connection.read = tls.readfunc(connection.id, session)
  connection.write = tls.writefunc(connection.id, session)
  connection.finish = tls.closefunc(session, connection.id)
end

-- --- reading and closing

---A server closes first (RFC 6455, 7.1.1): a client waits for that.
---@param connection http.websocket.connection
local function await_end(connection)
  pcall(within, connection.id, cs_of "ws_close_timeout", "late", function()
    while true do connection.read() end
  end)
end

---Frees everything. Harmless when it has been done.
---@param connection http.websocket.connection
local function release(connection)
  local id = connection.id
  connection.is_closing = true
  if connections[id] == connection then connections[id] = nil end
  if connection.closer then
    skynet.wakeup(connection.closer)
    connection.closer = nil
  end
  local finish = connection.finish
  if finish then
    connection.finish = nil
    pcall(finish)
  end
  socket.close(id)
end

---The connection can't go on: tells the peer why, and raises it.
---@param connection http.websocket.connection
---@param code integer
---@param reason string
local function fail(connection, code, reason)
  if not connection.is_closing then
    connection.is_closing = true
    pcall(connection.write, connection.codec:close_frame(code, reason))
  end
  error(("websocket: %s (%d)"):format(reason, code), 0)
end

---The next frame of a message's or control frame's kind.
---@param connection http.websocket.connection
---@return string kind
---@return string payload
---@return integer? code of a close frame
local function next_message(connection)
  local codec = connection.codec
  while true do
    local kind, payload, code = codec:next()
    if kind then return kind, payload, code end
    if kind == false then fail(connection, payload, code) end
    connection.is_reading = true
    local is_read, bytes = pcall(connection.read)
    connection.is_reading = false
    if not is_read then error(bytes, 0) end
    codec:feed(bytes)
  end
end

---The peer's close frame has come: it is answered, unless it is the answer.
---@param connection http.websocket.connection
---@param code integer
local function answer_close(connection, code)
  if connection.is_closing then return end
  connection.is_closing = true
  local frame = connection.codec:close_frame(code ~= 1005 and code or nil)
  if pcall(connection.write, frame) and connection.is_client then await_end(connection) end
end

---The closing handshake is ours to begin: waits for the peer's close frame, or for its deadline.
---@param connection http.websocket.connection
local function await_close(connection)
  local cs = cs_of "ws_close_timeout"
  if connection.is_reading then
    connection.closer = {}
    skynet.sleep(cs == 0 and 0x7fffffff or cs, connection.closer)
    return
  end
  local is_closed = pcall(within, connection.id, cs, "late", function()
    while next_message(connection) ~= "close" do end
  end)
  if is_closed and connection.is_client then await_end(connection) end
end

---@param id integer
---@return http.websocket.connection
local function open_connection(id)
  local connection = connections[id]
  if not connection or connection.is_closing or not connection.codec then
    error(("websocket %s is not open"):format(id), 3)
  end
  return connection
end

-- --- the server's side

local function call(connection, name, ...)
  local f = connection.handle[name]
  if f then return f(connection.id, ...) end
end

---One turn of accept(). True: the connection has been closed in order.
---@param connection http.websocket.connection
local function serve_message(connection)
  local kind, payload, code = next_message(connection)
  if kind == "close" then
    answer_close(connection, code)
    call(connection, "close", code, payload)
    return true
  elseif kind == "ping" then
    if not connection.is_closing then connection.write(connection.codec:frame("pong", payload)) end
    call(connection, "ping", payload)
  elseif kind == "pong" then
    call(connection, "pong", payload)
  elseif not connection.is_closing then
    call(connection, "message", payload, kind)
  end
end

---@param connection http.websocket.connection
---@param protocol "ws"|"wss"
---@param options table
local function serve(connection, protocol, options)
  local handshake = require "skyloom.websocket_handshake"
  local cs = cs_of "handshake_timeout"
  local upgrade = options.upgrade
  if upgrade and upgrade.read then
    connection.read, connection.write = upgrade.read, upgrade.write
  elseif protocol == "wss" then
    open_tls(connection, options.tls or require("http.tlshelper").servercontext())
  else
    open_plain(connection)
  end
  call(connection, "connect")
  local request = upgrade
    or within(connection.id, cs, "websocket: no request within handshake_timeout", handshake.read_request, connection)
  local is_open, reason = handshake.answer(connection, request, message_bytes_max(), options.protocols)
  if not is_open then
    call(connection, "close")
    return false, "websocket: " .. reason
  end
  call(connection, "handshake", request.header, request.url)
  while not connection.is_closing do
    if serve_message(connection) then return true end
  end
  call(connection, "close")
  return true
end

---What has gone wrong: with the place in the code unless the peer is to blame.
local function story_of(failure)
  if type(failure) ~= "string" or failure:find "^websocket" or failure:find "^tls" then return failure end
  return debug.traceback(failure)
end

---Serves an accepted socket until it is closed. Callbacks of `handle`, each with the id first:
---`connect(id)`, `handshake(id, header, url)`, `message(id, data, "text"|"binary")`, `ping(id, data)`,
---`pong(id, data)`, `warning(id, kib)` (unsent output), and in the end either `close(id, code, reason)`
---(code 1005: the peer gave none; nil: closed here or refused) or `error(id, why)`.
---@param id integer
---@param handle table<string, function>
---@param protocol? "ws"|"wss" default "ws"
---@param addr? string what addrinfo() gives
---@param options? {upgrade?: table, protocols?: string[], tls?: userdata} upgrade: the request, when it has been read
--- already: `url`, `method`, `header`, and maybe the functions `read` and `write` that it came through, so that nothing
--- behind it is lost, and TLS goes on; protocols: the subprotocols to choose from
---@return boolean is_served false: the handshake, the protocol or a callback failed
---@return string? why
function websocket.accept(id, handle, protocol, addr, options)
  handle, options, protocol = handle or {}, options or {}, protocol or "ws"
  if not PROTOCOL_NAMES[protocol] then
    error(("websocket.accept: protocol %q is neither ws nor wss"):format(protocol), 2)
  end
  if not options.upgrade then
    local is_started, failure = socket.start(id)
    if not is_started then return false, failure end
  end
  local connection = { id = id, handle = handle, addr = addr, rest = "" }
  connections[id] = connection
  if handle.warning then socket.warning(id, handle.warning) end
  local is_run, is_served, why = xpcall(serve, story_of, connection, protocol, options)
  if is_run then
    release(connection)
    if is_served then return true end
    return false, why
  end
  local failure = is_served
  if connections[id] ~= connection or connection.is_closing and failure == sockethelper.socket_error then
    call(connection, "close") -- closed here; the peer may not have answered our close frame
    release(connection)
    return true
  end
  if connection.codec and not connection.is_closing then -- a callback has failed, or the socket
    pcall(fail, connection, 1011, "internal error")
  end
  call(connection, "error", tostring(failure))
  release(connection)
  if failure == sockethelper.socket_error then return true end
  return false, failure
end

-- --- the client's side

---Connects. Raises why not.
---@param url string ws://host[:port]/path or wss://...
---@param header? table<string, string> more header fields, `Sec-WebSocket-Protocol` among them
---@param timeout? integer cs, for the whole of it; default handshake_timeout
---@param options? {tls?: userdata} the context of http.tlshelper instead of the default one
---@return integer id
function websocket.connect(url, header, timeout, options)
  local handshake = require "skyloom.websocket_handshake"
  local target = handshake.parse_url(url)
  local request, key = handshake.request(target, header or {})
  local limit = message_bytes_max()
  local cs = timeout or cs_of "handshake_timeout"
  local start = skynet.now()
  local id = sockethelper.connect(target.host, target.port, cs ~= 0 and cs or nil)
  local connection = { id = id, is_client = true, addr = target.authority, rest = "" }
  local cs_left = cs == 0 and 0 or math.max(1, cs - (skynet.now() - start))
  local late = ("websocket: %s has not answered in time"):format(target.authority)
  local is_open, failure = pcall(within, id, cs_left, late, function()
    if target.is_secure then
      local context = options and options.tls or require("http.tlshelper").clientcontext()
      open_tls(connection, context, target.host)
    else
      open_plain(connection)
    end
    connection.write(request)
    handshake.read_answer(connection, key, limit, header or {})
  end)
  if not is_open then
    release(connection)
    error(failure, 0)
  end
  connections[id] = connection
  return id
end

---The next message of a connection made with connect(). Pings are answered.
---@param id integer
---@return string|false data false: the peer has closed the connection
---@return string kind_or_reason "text" or "binary"; or the reason of the peer, maybe empty
---@return integer? code of the close frame, 1005 without one
function websocket.read(id)
  local connection = open_connection(id)
  if connection.handle then error(("websocket %d is read by accept()"):format(id), 2) end
  local function read()
    while true do
      local kind, payload, code = next_message(connection)
      if kind == "text" or kind == "binary" then return payload, kind end
      if kind == "close" then
        answer_close(connection, code)
        return false, payload, code
      elseif kind == "ping" and not connection.is_closing then
        connection.write(connection.codec:frame("pong", payload))
      end
    end
  end
  local is_read, payload, kind, code = pcall(read)
  if is_read and payload then return payload, kind end
  release(connection)
  if not is_read then error(payload, 0) end
  return payload, kind, code
end

-- --- both sides

---Sends a message. Raises when the connection is not open, or for a "text" that is not UTF-8.
---@param id integer
---@param data string
---@param kind? "text"|"binary" default: text, if the data is UTF-8, which no other text may be
---@param mask? string 4 bytes, of a client; default: random ones
function websocket.write(id, data, kind, mask)
  local connection = open_connection(id)
  if kind and kind ~= "text" and kind ~= "binary" then
    error(("websocket.write: kind %q is neither text nor binary"):format(tostring(kind)), 2)
  end
  connection.write(connection.codec:frame(kind, data, mask))
end

---@param id integer
---@param data? string at most 125 bytes, which come back with the pong
function websocket.ping(id, data)
  local connection = open_connection(id)
  connection.write(connection.codec:frame("ping", data or ""))
end

---Closes, and waits for the peer's close frame, at most for ws_close_timeout. Does nothing when the
---connection is closed already.
---@param id integer
---@param code? integer 1000 to 1014 as RFC 6455 allows, or 3000 to 4999
---@param reason? string at most 123 bytes of UTF-8
function websocket.close(id, code, reason)
  local connection = connections[id]
  if not connection or connection.is_closing then return end
  if connection.codec then
    local frame = connection.codec:close_frame(code, reason)
    connection.is_closing = true
    if pcall(connection.write, frame) then await_close(connection) end
  end
  release(connection)
end

---@param id integer
---@return string? address what accept() was given, or the host and port that connect() has reached
function websocket.addrinfo(id)
  local connection = connections[id]
  return connection and connection.addr
end

---@param id integer
---@return string? ip what a proxy in front of us says (X-Real-IP); anybody without a proxy can say it, too
function websocket.real_ip(id)
  local connection = connections[id]
  return connection and connection.real_ip
end

---@param id integer
---@return boolean is_closed or about to be
function websocket.is_close(id)
  local connection = connections[id]
  return connection == nil or connection.is_closing == true
end

return websocket
