-- The UDP part of skynet.socket. A callback gets `f(data, from)`, each call in a coroutine of its own.
local driver = require "skynet.socketdriver"
local events = require "skynet.socket.events"

---@class skynet.socket
local socket = {}

local function add(id, f)
  local entry = events.add(id, "udp")
  entry.callback = f
  entry.connected = true
  return id
end

---A datagram socket. Raises when there is none to have.
---@param f fun(data: string, from: string) `from` is for sendto() and udp_address()
---@param host string? to bind
---@param port integer? to bind
---@return integer id
function socket.udp(f, host, port)
  return add(driver.udp(host, port), f)
end

---Sets where write() sends to; a host name is looked up, the caller waits. Raises when that fails.
---@param id integer
---@param host string
---@param port integer
---@param f? fun(data: string, from: string) in place of the callback
function socket.udp_connect(id, host, port, f)
  local entry = events.sockets[id]
  if entry and entry.kind ~= "udp" then
    error(("socket.udp_connect: socket %d is a %s socket"):format(id, entry.kind), 2)
  elseif not entry and not f then
    error(("socket.udp_connect: socket %s is not open in this service"):format(id), 2)
  end
  driver.udp_connect(id, host, port)
  if not entry then
    add(id, f)
  elseif f then
    entry.callback = f
  end
end

---A datagram socket that is bound. Raises when that fails.
---@param host string
---@param port integer
---@param f fun(data: string, from: string)
---@return integer id
function socket.udp_listen(host, port, f)
  return add(driver.udp_listen(host, port), f)
end

---A datagram socket whose write() sends to one address. Raises when that fails.
---@param host string
---@param port integer
---@param f fun(data: string, from: string)
---@return integer id
function socket.udp_dial(host, port, f)
  return add(driver.udp_dial(host, port), f)
end

---The same for questions to one server: nobody else is heard, and when nobody is there, the socket ends.
---@param host string
---@param port integer
---@param f fun(data: string)
---@param on_failure fun(reason: string) it has ended; close() is still to be called
---@return integer id
function socket.udp_dial_only(host, port, f, on_failure)
  local id = add(driver.udp_dial_only(host, port), f)
  events.sockets[id].on_failure = on_failure
  return id
end

return socket
