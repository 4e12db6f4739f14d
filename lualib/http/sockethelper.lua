-- Reads and writes sockets for http.httpd and http.httpc: their failures are raised as `socket_error`.

local socket = require "skynet.socket"

local M = {}

--- Raised by the functions of this module when the socket is closed or fails.
M.socket_error = setmetatable({}, { __tostring = function() return "[Socket Error]" end })
local socket_error = M.socket_error

--- A function that reads: `read()` whatever is there, `read(n)` exactly n bytes.
---@param fd integer
---@param pre? string bytes that were read before, delivered first
---@return fun(n?: integer): string
function M.readfunc(fd, pre)
  pre = pre or ""
  return function(n)
    if not n then
      if pre ~= "" then
        local bytes = pre
        pre = ""
        return bytes
      end
      return socket.read(fd) or error(socket_error)
    end
    if n <= #pre then
      local bytes = string.sub(pre, 1, n)
      pre = string.sub(pre, n + 1)
      return bytes
    end
    local bytes = pre
    pre = ""
    return bytes .. (socket.read(fd, n - #bytes) or error(socket_error))
  end
end

M.readbytes = socket.read

--- A function that writes, and raises when the socket is gone.
---@param fd integer
---@return fun(text: string)
function M.writefunc(fd)
  return function(text)
    if not socket.write(fd, text) then error(socket_error) end
  end
end

--- Connects. Raises socket_error when that fails or takes longer than `timeout`.
---@param host string
---@param port? integer
---@param timeout? integer cs; nil: the node's own deadline
---@return integer fd
function M.connect(host, port, timeout)
  if not timeout then
    return socket.open(host, port) or error(socket_error)
  end
  local skynet = require "skynet"
  local token = {}
  local fd, is_late
  skynet.fork(function()
    fd = socket.open(host, port)
    if not is_late then
      skynet.wakeup(token)
    elseif fd then
      socket.close(fd)
    end
  end)
  skynet.sleep(timeout, token)
  is_late = fd == nil
  return fd or error(socket_error)
end

function M.close(fd)
  socket.close(fd)
end

function M.shutdown(fd)
  socket.shutdown(fd)
end

--- Everything until the peer closes.
---@param fd integer
---@return string
function M.readall(fd)
  return socket.readall(fd)
end

return M
