-- What both sides of HTTP/1 share, and one request of the client's. No sockets: an `interface` has
-- `read()`, which gives whatever is there and raises at the end of the stream, and `write(text)`.
-- Messages are read and heads are written in C++ (skyloom.http).

local http = require "skyloom.http"
local setting = require "skyloom.setting"

local M = {}

--- By read function: what came behind a message and belongs to the next one, or to whatever protocol
--- the stream changes to. Whoever reads on takes it first: httpd, and the functions of sockethelper.
---@type table<function, string>
M.unread = setmetatable({}, { __mode = "k" })

--- What functions that read and write raise when the stream has ended; anything else is a failure.
M.socket_error = setmetatable({}, { __tostring = function() return "[Socket Error]" end })

local function limit(key, default, none)
  local bytes = setting.bytes(key, default)
  return bytes == 0 and none or math.min(bytes, none)
end

M.BODY_BYTES_MAX = 1 << 50 -- as good as no limit
M.header_bytes_max = limit("http_header_max", 8192, 1 << 24)
M.body_bytes_max = limit("http_body_max", 8 << 20, M.BODY_BYTES_MAX) -- of a request, if the caller names no limit
M.response_bytes_max = limit("http_response_max", 64 << 20, M.BODY_BYTES_MAX) -- streams have no limit
M.header_cs = setting.cs("http_header_timeout", 10000) -- for a whole header; 0: no deadline
M.body_cs = setting.cs("http_body_timeout", 30000) -- without progress

local function has_host(header)
  for name in pairs(header) do
    if type(name) == "string" and string.lower(name) == "host" then return true end
  end
  return false
end

local function default_body(method)
  return (method == "POST" or method == "PUT" or method == "PATCH") and ""
end

-- Skynet sends a path with spaces and text in UTF-8 as it is, and servers read it; escaped it means the same to them.
local function escape_text(url)
  return (string.gsub(url, "[ \x80-\xff]", function(byte) return string.format("%%%02X", string.byte(byte)) end))
end

--- The text of a request. Raises for what would end a line early, or is no method or target.
---@param method string
---@param host string for the field `host`, unless the header has one
---@param url string path and query; spaces and bytes beyond ASCII are escaped here
---@param header? table<string, any> values: text, number, or a list of these
---@param content? string
---@return string
function M.request_text(method, host, url, header, content)
  if not http.is_token(method) then error(string.format("http method %q is no token", method), 0) end
  url = url == "" and "/" or escape_text(url)
  if not http.is_target(url) then
    error(string.format("http url %q has bytes that must be escaped", url), 0)
  end
  local start = string.format("%s %s HTTP/1.1", method, url)
  if not (header and has_host(header)) then
    if string.find(host, "[%c ]") then error(string.format("http host %q has blanks", host), 0) end
    start = string.format("%s\r\nhost: %s", start, host)
  end
  return http.message(start, header, content or default_body(method))
end

---@class http.response the answer while its body is read
---@field status integer
---@field header table<string, string|string[]>
---@field is_persistent boolean the connection can carry another request
---@field is_in_head boolean? some of a head has come, and not yet all of it
local Response = {}
Response.__index = Response

--- The next bytes of the stream. Returns what reader:response() does; at the orderly end of the stream
--- "whole" and the rest, when that ends the message.
local function advance(self, wants_whole)
  local interface = self.interface
  local is_read, bytes = pcall(interface.read)
  if not is_read then
    local is_end = bytes == M.socket_error and not (interface.failure and interface.failure())
    local rest = is_end and self.reader:finish()
    if rest then return "whole", rest end
    error(bytes, 0)
  end
  self.has_begun = true
  local phase, piece, rest, status, header, is_persistent = self.reader:response(bytes, wants_whole)
  if not phase then error("http response refused: " .. piece, 0) end
  if phase == "head" then
    self.is_in_head = piece
    return phase
  end
  self.is_in_head = false
  if status then self.status, self.header, self.is_persistent = status, header, is_persistent end
  if rest then
    M.unread[interface.read] = rest
    self.is_persistent = false -- what nobody asked for: the next answer would be another's
  end
  return phase, piece
end

--- All of the body.
---@return string
function Response:whole()
  local phase, body = self.phase, self.piece
  while phase ~= "whole" do
    phase, body = advance(self, true)
  end
  return body
end

--- The next piece of the body, nil behind the last.
---@return string|nil
function Response:next()
  local piece = self.piece
  self.piece = ""
  while piece == "" and self.phase ~= "whole" do
    self.phase, piece = advance(self)
  end
  return piece ~= "" and piece or nil
end

--- Sends a request and reads the head of its answer. Raises what the interface raises, and a text for
--- an answer that is none.
---@param interface {read: function, write: function, failure: (fun(): string?)?} `failure` tells at the end of the
---  stream why it broke off, if it did: a message that goes to the end is not whole then
---@param method string
---@param text string of the request
---@param body_bytes_max integer
---@param wants_whole boolean? for whole(), not for next()
---@return http.response
function M.respond(interface, method, text, body_bytes_max, wants_whole)
  local self = setmetatable({
    interface = interface,
    reader = http.response_reader(method, body_bytes_max, M.header_bytes_max),
  }, Response)
  interface.response = self
  interface.write(text)
  repeat
    self.phase, self.piece = advance(self, wants_whole)
  until self.phase ~= "head"
  return self
end

--- One request and its answer. After an answer 101 what follows it is in `unread[interface.read]`.
---@param interface {read: function, write: function}
---@param method string
---@param host string
---@param url string
---@param recvheader? table filled with the fields of the answer, names in lower case
---@param header? table<string, any>
---@param content? string
---@return integer status
---@return string body
function M.request(interface, method, host, url, recvheader, header, content)
  local text = M.request_text(method, host, url, header, content)
  local response = M.respond(interface, method, text, M.response_bytes_max, true)
  M.copy_fields(response.header, recvheader)
  return response.status, response:whole()
end

---@param header table
---@param recvheader table?
function M.copy_fields(header, recvheader)
  for name, value in pairs(recvheader and header or {}) do recvheader[name] = value end
end

return M
