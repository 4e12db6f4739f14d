-- Reads lines of the standard input and logs them.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local id, failure = socket.stdin()
  if not id then return skynet.error("no stdin: " .. failure) end
  for line in socket.readline, id do skynet.error("line: " .. line) end
  socket.close(id)
  skynet.error "the input has ended"
end)
