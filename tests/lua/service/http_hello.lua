-- The smallest web service: for tests/lua/http_cost.py.
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"

local header = { ["content-type"] = "text/plain" }

skynet.start(function()
  local id, _, port = socket.listen("127.0.0.1", 0)
  socket.start(id, function(client)
    socket.start(client)
    local read, write = sockethelper.readfunc(client), sockethelper.writefunc(client)
    local code, is_persistent, _
    repeat
      code, _, _, _, _, is_persistent = httpd.read_request(read, 8192)
      if code == 200 then httpd.write_response(write, 200, "hello world", header) end
    until code ~= 200 or not is_persistent
    socket.close(client)
  end)
  skynet.error("hello on " .. port)
end)
