-- Reads and writes sockets for http.httpd and http.httpc: their failures are raised as `socket_error`.

local socket = require "skynet.socket"
local deadline = require "skyloom.read_deadline"
local internal = require "http.internal"

local unread = internal.unread

local M = {}

--- Raised by the functions of this module when the socket is closed or fails.
M.socket_error = internal.socket_error
local socket_error = M.socket_error

--- A function that reads: `read()` whatever is there, `read(n)` exactly n bytes.
---@param fd integer
---@param pre? string bytes that were read before, delivered first
---@return fun(n?: integer): string
function M.readfunc(fd, pre)
  local function read(n)
    local before = unread[read]
    if not before then return deadline.read(fd, n) or error(socket_error) end
    unread[read] = nil
    if not n or n == #before then return before end
    if n > #before then
      return before .. (deadline.read(fd, n - #before) or error(socket_error))
    end
    unread[read] = string.sub(before, n + 1)
    return string.sub(before, 1, n)
  end
  if pre and pre ~= "" then unread[read] = pre end
  return read
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

local function open(host, port)
  local is_done, fd, failure = pcall(socket.open, host, port)
  if is_done then return fd, failure end
  return nil, fd
end

--- Connects.
---@param host string
---@param port? integer
---@param timeout? integer cs; nil or 0: the node's own deadline
---@return integer? fd
---@return string? failure
function M.open(host, port, timeout)
  if not timeout or timeout == 0 then return open(host, port) end
  local skynet = require "skynet"
  local token = {}
  local fd, failure, is_late
  skynet.fork(function()
    fd, failure = open(host, port)
    if not is_late then
      skynet.wakeup(token)
    elseif fd then
      socket.close(fd)
    end
  end)
  skynet.sleep(timeout, token)
  is_late = not (fd or failure)
  return fd, is_late and string.format("timeout after %d cs", timeout) or failure
end

--- Connects. Raises socket_error when that fails or takes longer than `timeout`.
---@param host string
---@param port? integer
---@param timeout? integer cs; nil: the node's own deadline
---@return integer fd
function M.connect(host, port, timeout)
  return M.open(host, port, timeout) or error(socket_error)
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
