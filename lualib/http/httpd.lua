-- The server's side of HTTP/1: one request in, one response out. The caller brings functions that read
-- and write (http.sockethelper makes them for sockets) and the deadlines.

local internal = require "http.internal"

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

local function read_request(read, body_limit)
  local lines, rest = internal.recvheader(read)
  local method, url, version =
    string.match(lines[1] or "", "^([%w!#$%%&'*+%-.^_`|~]+) ([^%c ]+) HTTP/(%d%.%d)$")
  if not method then internal.refuse(400, "no request line") end
  if version ~= "1.0" and version ~= "1.1" then internal.refuse(505, "version " .. version) end
  local header = internal.parseheader(lines, 2)
  local framing, length = internal.framing(header)
  if framing == "chunked" and version == "1.0" then internal.refuse(400, "chunks in HTTP/1.0") end
  local body
  if framing == "chunked" then
    body = internal.recvchunkedbody(read, body_limit, rest)
  else
    body = internal.recvbody(read, length or 0, body_limit, rest)
  end
  return 200, url, method, header, body
end

--- Reads one request.
---@param readfunc fun(n?: integer): string raises at the end of the stream
---@param bodylimit? integer bytes of the body; default 8 MiB
---@return integer|nil code 200; 400, 413, 501 or 505 when the request is refused; nil: the stream failed
---@return string url of a good request; the reason otherwise
---@return string method
---@return table<string, string|string[]> header names in lower case
---@return string body
function httpd.read_request(readfunc, bodylimit)
  local is_read, code, url, method, header, body =
    pcall(read_request, readfunc, bodylimit or internal.body_bytes_default)
  if is_read then return code, url, method, header, body end
  local refusal = internal.refusal_code(code)
  if refusal then return refusal, tostring(code) end
  return nil, code
end

local kFraming = { ["content-length"] = true, ["transfer-encoding"] = true }

local function write_response(write, code, body, header)
  if math.type(code) ~= "integer" or code < 100 or code > 999 then
    error(string.format("status code %s is not between 100 and 999", code), 0)
  end
  local is_framed = type(body) == "string" or type(body) == "function"
  local head = string.format("HTTP/1.1 %d %s\r\n%s", code, reasons[code] or "",
    internal.header_text(header or {}, is_framed and kFraming or {}))
  if type(body) == "string" then
    return write(string.format("%scontent-length: %d\r\n\r\n%s", head, #body, body))
  elseif type(body) == "function" then
    write(head .. "transfer-encoding: chunked\r\n\r\n")
    local piece = body()
    while piece do
      if piece ~= "" then  -- an empty chunk would end the body
        write(string.format("%x\r\n%s\r\n", #piece, piece))
      end
      piece = body()
    end
    return write("0\r\n\r\n")
  elseif body ~= nil then
    error(string.format("a body is text or a function, not a %s", type(body)), 0)
  end
  write(head .. "\r\n")
end

--- Writes one response.
---@param writefunc fun(text: string) raises when the stream fails
---@param code integer 100 to 999
---@param body? string|fun(): string|nil text; or a function that gives the pieces of a chunked body, then nil
---@param header? table<string, any> values: text, number, or a list of these
---@return boolean is_written
---@return any|nil err
function httpd.write_response(writefunc, code, body, header)
  return pcall(write_response, writefunc, code, body, header)
end

return httpd
