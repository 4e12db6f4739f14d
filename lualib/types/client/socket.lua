---@meta client.socket

--- A TCP client for plain Lua programs.
---@class client.socket
local socket = {}

--- Raises when it fails.
---@param ip string
---@param port integer
---@return integer fd
function socket.connect(ip, port) end

---@param fd integer
---@return string? data nil: nothing yet; "": closed
function socket.recv(fd) end

---@param fd integer
---@param data string
function socket.send(fd, data) end

---@param fd integer
---@param how "r"|"w"|"rw"
function socket.shutdown(fd, how) end

---@param fd integer
function socket.close(fd) end

---@param microseconds integer
function socket.usleep(microseconds) end

--- A line of standard input, without waiting. The end of input ends the program with code 1.
---@return string? line
function socket.readstdin() end

return socket
