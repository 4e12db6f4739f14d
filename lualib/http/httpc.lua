-- The client's side of HTTP/1. Connections are used again; a redirection is an answer like any other.
-- A place is "host", "host:port", "http://host:port" or "https://host:port".

local skynet = require "skynet"
local deadline = require "skyloom.read_deadline"
local pool = require "skyloom.http_pool"
local internal = require "http.internal"
local sockethelper = require "http.sockethelper"

---@class http.httpc
local httpc = {
  --- For a whole request, in cs. nil: 30 s for the connection and for each wait for more of the answer
  --- (http_body_timeout), and 10 s for a header that has begun (http_header_timeout).
  ---@type integer?
  timeout = nil,
}

-- What may be sent twice. Only these take a used connection, which the server may be closing just now.
local is_repeatable = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true, TRACE = true }

local resolver -- skynet.dns, after httpc.dns()

--- Names are looked up by skynet.dns from now on, not by the system.
---@param server? string address of the name server; the system's by default
---@param port? integer
function httpc.dns(server, port)
  local dns = require "skynet.dns"
  dns.server(server, port)
  resolver = dns
end

local ports = { http = 80, https = 443 }

---@return string protocol
---@return string authority for the field `host`
---@return string name
---@return integer port
local function parse_place(place)
  local protocol, authority = string.match(place, "^(%a+)://([^/]*)/?$")
  if not protocol then protocol, authority = "http", place end
  protocol = string.lower(protocol)
  local name, port = string.match(authority, "^%[([%x:.]+)%](:?%d*)$")
  if not name then name, port = string.match(authority, "^([^%c%s:/@?#%[%]]+)(:?%d*)$") end
  local number = name and (port == "" and ports[protocol] or math.tointeger(tonumber(string.sub(port, 2))))
  if not ports[protocol] or not number or number < 1 or number > 65535 then
    error(string.format("http host %q is no [http[s]://]host[:port]", place), 0)
  end
  return protocol, authority, name, number
end

local function address_of(name)
  if not resolver or string.find(name, "^[%d.]+$") or string.find(name, ":", 1, true) then return name end
  return resolver.resolve(name)
end

local function start_tls(fd, name)
  local tls = require "http.tlshelper"
  local session = tls.newtls("client", tls.clientcontext(), name)
  tls.init_requestfunc(fd, session)()
  return tls.readfunc(fd, session), tls.writefunc(fd, session), tls.closefunc(session)
end

--- A head that has begun has http_header_timeout until it is whole: nobody is held by a server that sends it byte by
--- byte. For everything else the wait begins again with each piece.
local function read_in_time(connection, read)
  return function()
    local was_in_head = connection.is_in_head
    connection.is_in_head = connection.response.is_in_head
    if not (httpc.timeout or was_in_head and connection.is_in_head) then
      deadline.set(connection.is_in_head and internal.header_cs or internal.body_cs)
    end
    return read()
  end
end

local function connect(place, protocol, name, port)
  local timeout = httpc.timeout or internal.body_cs
  local fd, failure = sockethelper.open(address_of(name), port, timeout)
  if not fd then
    error(string.format("%s connect error host:%s, port:%s, timeout:%s: %s", protocol, name, port, timeout,
      failure), 0)
  end
  local read, write, close = sockethelper.readfunc(fd), sockethelper.writefunc(fd), nil
  if protocol == "https" then
    local is_safe, why = pcall(function() read, write, close = start_tls(fd, name) end)
    if not is_safe then
      skynet.fork(sockethelper.close, fd)
      error(why, 0)
    end
  end
  local connection = {
    place = place,
    write = write,
    failure = protocol == "http" and function() -- TLS says itself where it ends
      return require("skynet.socket.events").failure_of(fd)
    end,
    close = function()
      if close then pcall(close) end -- the collector may have ended the session of a forgotten stream
      sockethelper.close(fd)
    end,
    is_quiet = function()
      return require("skynet.socket.events").is_quiet(fd)
    end,
  }
  connection.read = read_in_time(connection, read)
  return connection
end

local function respond(connection, method, text, is_stream)
  connection.response = nil
  return internal.respond(connection, method, text, is_stream and internal.BODY_BYTES_MAX
    or internal.response_bytes_max, not is_stream)
end

--- Sends the request on a connection that waits, or a new one.
local function send(method, place, text, is_stream)
  local protocol, _, name, port = parse_place(place)
  local key = string.format("%s://%s:%d", protocol, name, port)
  local used = is_repeatable[method] and pool.take(key)
  if used then
    local is_done, response = pcall(respond, used, method, text, is_stream)
    if is_done then return response, used end
    skynet.fork(used.close)
    -- Over TLS it is a text that tells of a connection that the server has closed meanwhile.
    if response == deadline.late or used.response and used.response.has_begun then error(response, 0) end
  end
  local connection = connect(key, protocol, name, port)
  local is_done, response = pcall(respond, connection, method, text, is_stream)
  if is_done then return response, connection end
  skynet.fork(connection.close)
  error(response, 0)
end

--- The message is whole: the connection may have another.
local function release(connection, response)
  if response.is_persistent and response.status ~= 101 then
    pool.put(connection)
  else
    skynet.fork(connection.close)
  end
end

--- Calls f within the time that a request may take.
local function within_time(method, place, f, ...)
  if httpc.timeout then deadline.set(httpc.timeout) end
  local results = table.pack(pcall(f, ...))
  deadline.clear()
  if results[1] then return table.unpack(results, 2, results.n) end
  if results[2] == deadline.late then
    error(string.format("http %s %s: timeout", method, place), 0)
  end
  error(results[2], 0)
end

local function request_text(method, place, url, header, content)
  local _, authority = parse_place(place)
  return internal.request_text(method, authority, url, header, content)
end

local function request(method, place, url, recvheader, header, content)
  local text = request_text(method, place, url, header, content)
  local response, connection = send(method, place, text)
  internal.copy_fields(response.header, recvheader)
  local is_whole, body = pcall(response.whole, response)
  if not is_whole then
    skynet.fork(connection.close)
    error(body, 0)
  end
  release(connection, response)
  return response.status, body
end

--- One request. Raises `sockethelper.socket_error` when the connection ends too early, a text for all that
--- goes wrong otherwise.
---@param method string
---@param host string a place
---@param url string path and query, escaped
---@param recvheader? table filled with the fields of the answer: names in lower case, a list for a name that
---  comes again
---@param header? table<string, any> values: text, number, or a list of these
---@param content? string
---@return integer status
---@return string body at most http_response_max bytes, 64 MiB
function httpc.request(method, host, url, recvheader, header, content)
  return within_time(method, host, request, method, host, url, recvheader, header, content)
end

--- As request() with the method GET.
---@param host string
---@param url string
---@param recvheader? table
---@param header? table<string, any>
---@param content? string
---@return integer status
---@return string body
function httpc.get(host, url, recvheader, header, content)
  return httpc.request("GET", host, url, recvheader, header, content)
end

--- As request() with the method HEAD.
---@param host string
---@param url string
---@param recvheader? table
---@param header? table<string, any>
---@param content? string
---@return integer status
function httpc.head(host, url, recvheader, header, content)
  return (httpc.request("HEAD", host, url, recvheader, header, content))
end

local function escape(text)
  return (string.gsub(tostring(text), "[^%w%-._~]", function(byte)
    return string.format("%%%02X", string.byte(byte))
  end))
end

local function form_text(form)
  local fields = {}
  for name, value in pairs(form) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      fields[#fields + 1] = escape(name) .. "=" .. escape(one)
    end
  end
  table.sort(fields)
  return table.concat(fields, "&")
end

--- Sends a form with the method POST.
---@param host string
---@param url string
---@param form table<string, any> values: text, number, or a list of these
---@param recvheader? table
---@return integer status
---@return string body
function httpc.post(host, url, form, recvheader)
  local header = { ["content-type"] = "application/x-www-form-urlencoded" }
  return httpc.request("POST", host, url, recvheader, header, form_text(form))
end

--- An answer whose body comes in pieces: `for piece, stream in httpc.request_stream(...) do ... end`. To be
--- closed when it is not read to its end: the collector does it, too, but nobody knows when.
---@class http.httpc.stream
---@field status integer
---@field header table<string, string|string[]>
---@overload fun(): string?, http.httpc.stream the next piece, nil behind the last; raises as httpc.request()
local Stream = {}
Stream.__index = Stream

local function next_piece(self)
  local connection = self.connection
  if not connection then return nil end
  local is_read, piece = pcall(self.response.next, self.response)
  if is_read and piece then return piece end
  self.connection = nil
  if is_read then
    release(connection, self.response)
    return nil
  end
  skynet.fork(connection.close)
  error(piece, 0)
end

function Stream:__call()
  return within_time(self.method, self.place, next_piece, self), self
end

--- Ends it. What has not been read is lost, and the connection with it.
function Stream:close()
  local connection = self.connection
  self.connection = nil
  if connection then connection.close() end
end
Stream.__close = Stream.close

function Stream:__gc()
  if self.connection then skynet.fork(self.close, self) end
end

--- One request whose answer is read in pieces, of any size in all. httpc.timeout is for the head and for each
--- piece. Raises as request().
---@param method string
---@param host string
---@param url string
---@param recvheader? table
---@param header? table<string, any>
---@param content? string
---@return http.httpc.stream
function httpc.request_stream(method, host, url, recvheader, header, content)
  local text = request_text(method, host, url, header, content)
  local response, connection = within_time(method, host, send, method, host, text, true)
  internal.copy_fields(response.header, recvheader)
  return setmetatable({
    method = method,
    place = host,
    status = response.status,
    header = response.header,
    response = response,
    connection = connection,
  }, Stream)
end

return httpc
