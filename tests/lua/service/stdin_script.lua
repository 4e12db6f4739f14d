-- Reads lines of the standard input and logs them.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local id, failure = socket.stdin()
  if not id then return skynet.error("no stdin: " .. failure) end
  local line = socket.readline(id)
  while line do
    skynet.error("line: " .. line)
    line = socket.readline(id)
  end
  socket.close(id)
  skynet.error "the input has ended"
end)
