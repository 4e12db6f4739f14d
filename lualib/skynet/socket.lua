-- Sockets for services: each function that must wait suspends its coroutine, never the worker.
--
-- What only hands over to the driver is here; streams and datagrams are loaded when a service first
-- uses one of their functions, so that an agent that merely writes stays small.
local driver = require "skynet.socketdriver"

---@class skynet.socket
local socket = {
  ---Sends bytes: `write(id, data)`, data being a string, a table of strings, or a pointer and its size
  ---(owned by the call). True when accepted, false when the socket is unknown or closed.
  ---@type fun(id: integer, data: string|string[]|lightuserdata, bytes?: integer): boolean
  write = driver.send,
  ---Like write, but goes out only when nothing written with `write` waits.
  ---@type fun(id: integer, data: string|string[]|lightuserdata, bytes?: integer): boolean
  lwrite = driver.lsend,
  ---The number that 1 to 4 big-endian bytes are.
  ---@type fun(bytes: string): integer
  header = driver.header,
  ---Sends a datagram to the address that a callback got as `from`. False when the socket is gone.
  ---@type fun(id: integer, from: string, data: string): boolean
  sendto = driver.udp_send,
  ---The text of the IP and the port in an address that a callback got as `from`.
  ---@type fun(from: string): string, integer
  udp_address = driver.udp_address,
  ---All sockets of the node, one table each.
  ---@type fun(): table[]
  netstat = driver.info,
  ---The IP addresses of a host, as texts; waits for the lookup and raises when it fails.
  ---@type fun(host: string): string[]
  resolve = driver.resolve,
}

return setmetatable(socket, {
  __index = function(self, name)
    local part = tostring(name):find "^udp" and "datagram" or "stream"
    for key, f in pairs(require("skynet.socket." .. part)) do
      if rawget(self, key) == nil then rawset(self, key, f) end -- a script may have put its own there
    end
    return rawget(self, name)
  end,
})
