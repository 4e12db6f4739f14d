-- The server's side of HTTP/1: one request in, one response out. The caller brings functions that read
-- and write: http.sockethelper makes them for sockets.

local http = require "skyloom.http"
local deadline = require "skyloom.read_deadline"
local internal = require "http.internal"

local unread = internal.unread

local httpd = {}

local reasons = {
  [100] = "Continue", [101] = "Switching Protocols",
  [200] = "OK", [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information",
  [204] = "No Content", [205] = "Reset Content", [206] = "Partial Content",
  [300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
  [304] = "Not Modified", [305] = "Use Proxy", [307] = "Temporary Redirect", [308] = "Permanent Redirect",
  [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden",
  [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable",
  [407] = "Proxy Authentication Required", [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone",
  [411] = "Length Required", [412] = "Precondition Failed", [413] = "Request Entity Too Large",
  [414] = "Request-URI Too Large", [415] = "Unsupported Media Type",
  [416] = "Requested range not satisfiable", [417] = "Expectation Failed", [426] = "Upgrade Required",
  [429] = "Too Many Requests", [431] = "Request Header Fields Too Large",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version not supported",
}

local has_begun = setmetatable({}, { __mode = "k" }) -- by the function that reads: some of the request is there

-- What HTTP/1.0 has instead of chunks is the end of the connection. By the function that writes: that which has read a
-- request of HTTP/1.0; and by that: it reads no more, because the end is what the client waits for.
local old_reader = setmetatable({}, { __mode = "k" })
local is_over = setmetatable({}, { __mode = "k" })

--- The first bytes of a request, and then more of them until it is whole.
local function read_request(read, body_bytes_max, write)
  if is_over[read] then error(internal.socket_error) end
  deadline.set(internal.header_cs)
  local bytes = unread[read] or read()
  unread[read] = nil
  has_begun[read] = true
  local code, url, method, header, body, is_persistent, rest, is_http11 =
    http.request(bytes, body_bytes_max, internal.header_bytes_max)
  while not code do
    local reader, phase = url, method
    if phase ~= "head" then deadline.set(internal.body_cs) end
    if phase == "continue" and write then write "HTTP/1.1 100 Continue\r\n\r\n" end
    code, url, method, header, body, is_persistent, rest, is_http11 = reader:request(read())
  end
  if write then old_reader[write] = code == 200 and not is_http11 and read or nil end
  if rest then unread[read] = rest end
  return code, url, method, header, body, is_persistent
end

--- Reads one request: its header must have come 10 s after the call (http_header_timeout), and 30 s must not
--- pass between two pieces of the body (http_body_timeout), as far as `readfunc` is one of http.sockethelper or
--- http.tlshelper.
--- What comes behind the request is what the next call with this `readfunc` begins with.
---@param readfunc fun(n?: integer): string raises at the end of the stream
---@param bodylimit? integer bytes of the body; default http_body_max, 8 MiB
---@param writefunc? fun(text: string) tells clients that wait for that (Expect: 100-continue) to go on; and
---  write_response() with it knows then whether the client understands chunks
---@return integer|nil code 200; 400, 408, 413, 501 or 505 when the request is refused: answer and close;
---  nil: the stream failed, or no request began in time: close
---@return string url of a good request; the reason otherwise
---@return string method
---@return table<string, string|string[]> header names in lower case; a list for a name that comes again
---@return string body
---@return boolean is_persistent the client may send another request; else close when this one is answered
function httpd.read_request(readfunc, bodylimit, writefunc)
  local is_read, code, url, method, header, body, is_persistent =
    pcall(read_request, readfunc, bodylimit or internal.body_bytes_max, writefunc)
  deadline.clear()
  local is_begun = has_begun[readfunc]
  has_begun[readfunc] = nil
  if code == 200 then return code, url, method, header, body, is_persistent end
  if is_read then return code, string.format("HTTP %d: %s", code, url) end
  -- An answer that nobody asked for would be taken for that to the next request.
  if code == deadline.late and is_begun then return 408, "HTTP 408: the request did not come in time" end
  return nil, code
end

-- Above it a body is written by itself, because to put it behind its header is to copy it.
local BODY_BYTES_JOINED = 64 * 1024

local function has_no_body(code)
  return code < 200 or code == 204 or code == 304
end

local FRAMING = { ["content-length"] = true, ["transfer-encoding"] = true }
local FRAMING_AND_CONNECTION = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true }

local function without(names, header)
  local rest = {}
  for name, value in pairs(header or {}) do
    if not (type(name) == "string" and names[string.lower(name)]) then rest[name] = value end
  end
  return rest
end

local function write_text(write, start, body, header)
  if #body <= BODY_BYTES_JOINED then return write(http.message(start, header, body)) end
  local all = without(FRAMING, header)
  all["content-length"] = #body
  write(http.message(start, all))
  write(body)
end

local function write_to_the_end(write, start, next_piece, header)
  local all = without(FRAMING_AND_CONNECTION, header)
  all.connection = "close"
  write(http.message(start, all))
  local piece = next_piece()
  while piece do
    write(piece)
    piece = next_piece()
  end
end

local function write_chunks(write, start, next_piece, header)
  local reader = old_reader[write]
  if reader then
    is_over[reader] = true
    return write_to_the_end(write, start, next_piece, header)
  end
  write(http.message(start, header, true))
  local piece = next_piece()
  while piece do
    if piece ~= "" then -- an empty chunk would end the body
      write(string.format("%x\r\n", #piece) .. piece .. "\r\n")
    end
    piece = next_piece()
  end
  write "0\r\n\r\n"
end

local function write_response(write, code, body, header)
  local number = math.tointeger(code) -- Skynet takes what reads as one: "200", 200.0
  if not number or number < 100 or number > 999 then
    error(string.format("status code %s is not between 100 and 999", code), 0)
  end
  code = number
  local start = string.format("HTTP/1.1 %d %s", code, reasons[code] or "")
  if body == nil then
    write(http.message(start, header))
  elseif has_no_body(code) then
    if body ~= "" then error(string.format("a response %d has no body", code), 0) end
    write(http.message(start, header, false))
  elseif type(body) == "string" then
    write_text(write, start, body, header)
  elseif type(body) == "function" then
    write_chunks(write, start, body, header)
  else
    error(string.format("a body is text or a function, not a %s", type(body)), 0)
  end
end

--- Writes one response.
---@param writefunc fun(text: string) raises when the stream fails
---@param code integer 100 to 999
---@param body? string|fun(): string|nil text; a function that gives the pieces of a chunked body, then nil (a client of
---  HTTP/1.0 gets them as they are, and the next read_request() gives nil); or nil: `header` tells of a body that the
---  caller writes
---@param header? table<string, any> values: text, number, or a list of these
---@return boolean is_written false: what was written is no whole response, close the connection
---@return any|nil err
function httpd.write_response(writefunc, code, body, header)
  return pcall(write_response, writefunc, code, body, header)
end

return httpd
