-- Lines from the socket of a console. One coroutine fetches what comes, so that whoever waits for a line
-- can be called away without losing any of it.

local skynet = require "skynet"
local socket = require "skynet.socket"

local Reader = {}
Reader.__index = Reader

local function unread_bytes(self)
  return #self.buffer - self.from + 1
end

local function fetch(self)
  local bytes = socket.read(self.fd)
  while bytes do
    self.buffer = string.sub(self.buffer, self.from) .. bytes
    self.from = 1
    skynet.wakeup(self)
    while unread_bytes(self) > self.line_max and not self.is_closed do
      skynet.wait(self.room)
    end
    bytes = not self.is_closed and socket.read(self.fd)
  end
  self.is_closed = true
  skynet.wakeup(self)
end

--- The bytes up to `last`. The rest stays where it is: many short lines in one read must not be copied
--- once for each of them.
local function take(self, last)
  local taken = string.sub(self.buffer, self.from, last)
  self.from = last + 1
  skynet.wakeup(self.room)
  return taken
end

--- The next line with its end, nil at the end of input or after interrupt(). Raises when it is too long.
---@return string|nil
function Reader:line()
  self.is_interrupted = false
  while true do
    local last = string.find(self.buffer, "\n", self.from, true)
    if (last or #self.buffer) - self.from + 1 > self.line_max then
      error(string.format("a line of more than %d bytes (console_line_max)", self.line_max), 0)
    end
    if last then return take(self, last) end
    if self.is_closed or self.is_interrupted then return nil end
    skynet.wait(self)
  end
end

--- Whatever is there, at least a byte. Raises at the end of input.
---@return string
function Reader:some()
  while unread_bytes(self) == 0 do
    if self.is_closed then error("end of input", 0) end
    skynet.wait(self)
  end
  return take(self, #self.buffer)
end

--- Puts bytes back in front of what comes next.
---@param bytes string
function Reader:unread(bytes)
  self.buffer = bytes .. string.sub(self.buffer, self.from)
  self.from = 1
end

--- Ends the wait for a line.
function Reader:interrupt()
  self.is_interrupted = true
  skynet.wakeup(self)
end

--- Ends everybody's wait; the socket is the caller's to close.
function Reader:close()
  self.is_closed = true
  skynet.wakeup(self.room)
end

local M = {}

--- A reader of the socket, which must have been started.
---@param fd integer
---@param line_max integer bytes of a line with its end
function M.create(fd, line_max)
  local reader = setmetatable({ fd = fd, line_max = line_max, buffer = "", from = 1, room = {} }, Reader)
  skynet.fork(fetch, reader)
  return reader
end

return M
