-- TLS between a socket and its reader and writer, over ltls.c. Clients verify the chain and the host name;
-- trusted are the system's authorities, or those of the file that `tls_ca` names. A handshake has
-- `handshake_timeout` (ms, default 5000). Whatever fails is raised as a text that begins with "tls".
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local internal = require "http.internal"
local deadline = require "skyloom.deadline"
local setting = require "skyloom.setting"
local read_deadline = require "skyloom.read_deadline"
local c = require "ltls.c"

local M = {}

local socket_error = sockethelper.socket_error
local unread = internal.unread
local server_context, client_context
local sockets = setmetatable({}, { __mode = "k" }) ---@type table<userdata, integer> of the sessions that are open

---A context: `:set_cert(certfile, keyfile [, name])`, `:set_ciphers(list)` (of TLS 1.2), `:set_ca(file)`,
---`:set_verify("peer" or "none")` (of servers, by clients), `:set_client_ca(file [, "required" or "optional"])`
---(of clients, by servers), `:set_alpn(names)`, `:reload()`. All may be used again at any time, for the
---connections that follow; lualib/types/ltls/c.lua tells more.
---@return userdata
function M.newctx()
  return c.newctx()
end

---A connection. Its `:info()` has version, alpn, server_name (SNI), resumed, and peer: whom the certificate
---of the other side names.
---@param method "client"|"server"
---@param context userdata
---@param hostname? string of the server, on the client's side: a name or an IP address
---@return userdata
function M.newtls(method, context, hostname)
  return c.newtls(method, context, hostname)
end

---The context of this service's servers, with the certificate of the keys `certfile` and `keyfile`.
---@return userdata
function M.servercontext()
  if not server_context then
    local context = c.newctx()
    context:set_cert(skynet.getenv "certfile" or "./server-cert.pem", skynet.getenv "keyfile" or "./server-key.pem")
    server_context = context
  end
  return server_context
end

---Reads the files of this service's contexts again, also those that the program has set. A context of
---which a file is bad stays as it is, and the error is raised.
function M.reload()
  if server_context or not client_context then M.servercontext():reload() end
  if client_context then client_context:reload() end
end

---The context of this service's clients.
---@return userdata
function M.clientcontext()
  if not client_context then
    local context = c.newctx()
    local authorities = skynet.getenv "tls_ca"
    if authorities then context:set_ca(authorities) end
    client_context = context
  end
  return client_context
end

---Sends what TLS has to say on its own account, alerts among it.
local function flush(fd, tls)
  local output = tls:write()
  return output == "" or socket.write(fd, output)
end

---Calls a method of `tls`; when it fails the peer is told why.
local function step(fd, tls, method, bytes)
  local is_done, result = pcall(tls[method], tls, bytes)
  if is_done then return result end
  flush(fd, tls)
  error(result, 0)
end

local function shake_hands(fd, tls, is_client)
  local input
  if not is_client then input = read_deadline.read(fd) end
  while true do
    if not is_client and not input then error("tls handshake: the peer has gone (truncated)", 0) end
    is_client = false -- it speaks first
    local output = step(fd, tls, "handshake", input)
    if output and not socket.write(fd, output) then error(socket_error, 0) end
    if tls:finished() then return end
    input = read_deadline.read(fd)
  end
end

local function handshake_of(fd, tls, is_client)
  return function()
    deadline.within(fd, setting.cs("handshake_timeout", 5000),
      "tls handshake: the peer has stalled beyond handshake_timeout", shake_hands, fd, tls, is_client)
    sockets[tls] = fd
  end
end

---@param fd integer
---@param tls userdata
---@return fun() handshake of a client; raises
function M.init_requestfunc(fd, tls)
  return handshake_of(fd, tls, true)
end

---@param fd integer
---@param tls userdata
---@return fun() handshake of a server; raises, and then the connection ends
function M.init_responsefunc(fd, tls)
  local handshake = handshake_of(fd, tls, false)
  return function()
    local is_done, failure = pcall(handshake)
    if is_done then return end
    skynet.fork(socket.close, fd) -- many a server leaves it at the error, and the peer would wait for ever
    error(failure, 0)
  end
end

---@param tls userdata
---@param fd? integer where to tell the peer that this is the end; default: where the handshake was done
---@return fun()
function M.closefunc(tls, fd)
  return function()
    local place = fd or sockets[tls]
    sockets[tls] = nil
    if place then
      local goodbye = tls:finish()
      if goodbye ~= "" then socket.write(place, goodbye) end
    end
    tls:close()
  end
end

---A function that gives some plain text, at least a byte. At the end of the stream it raises
---socket_error, or a text when the peer has not said that this is the end.
local function source_of(fd, tls)
  local is_fresh = true -- bytes may have come behind the handshake
  return function()
    local plain = is_fresh and step(fd, tls, "read") or ""
    is_fresh = false
    while plain == "" do
      local is_open, has_ended = pcall(tls.ended, tls)
      if not is_open or has_ended then error(socket_error, 0) end
      local bytes = read_deadline.read(fd)
      if not bytes then
        is_open = pcall(tls.ended, tls)
        error(is_open and "tls: the connection was cut off before its end (truncated)" or socket_error, 0)
      end
      plain = step(fd, tls, "read", bytes)
      flush(fd, tls)
    end
    return plain
  end
end

---@param fd integer
---@param tls userdata
---@return fun(n?: integer): string `read()` whatever is there, `read(n)` exactly n bytes
function M.readfunc(fd, tls)
  local more = source_of(fd, tls)
  local function read(n)
    local before = unread[read] or ""
    if not n then
      unread[read] = nil
      return before ~= "" and before or more()
    end
    if #before < n then
      local pieces, size = { before }, #before
      while size < n do
        local piece = more()
        pieces[#pieces + 1] = piece
        size = size + #piece
      end
      before = table.concat(pieces)
    end
    unread[read] = #before > n and before:sub(n + 1) or nil
    return before:sub(1, n)
  end
  return read
end

---@param fd integer
---@param tls userdata
---@return fun(plain: string) raises socket_error when the socket is gone
function M.writefunc(fd, tls)
  return function(plain)
    if not socket.write(fd, tls:write(plain)) then error(socket_error, 0) end
  end
end

---@param fd integer
---@param tls userdata
---@return fun(): string everything until the peer says that this is the end
function M.readallfunc(fd, tls)
  local more = source_of(fd, tls)
  return function()
    local pieces = {}
    while true do
      local is_read, plain = pcall(more)
      if not is_read then
        if plain == socket_error then return table.concat(pieces) end
        error(plain, 0)
      end
      pieces[#pieces + 1] = plain
    end
  end
end

return M
