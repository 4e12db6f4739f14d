-- Logs with which codes requests end that fit into http_header_max = 100 and http_body_max = 10, or do not.
local skynet = require "skynet"
local httpd = require "http.httpd"

local function code_of(text)
  return (httpd.read_request(function() return text end))
end

local function header_of(bytes)
  local start = "GET / HTTP/1.1\r\nHost: x\r\nX: "
  return start .. string.rep("x", bytes - #start - 4) .. "\r\n\r\n"
end

local function body_of(bytes)
  return string.format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", bytes, string.rep("x", bytes))
end

skynet.start(function()
  skynet.error(string.format("header %d %d, body %d %d", code_of(header_of(100)), code_of(header_of(101)),
    code_of(body_of(10)), code_of(body_of(11))))
end)
