-- One connection that many share: answers carry the session of their request.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local socket = require "skynet.socket"

local channel = {}
channel.__index = channel

local reader = {}
reader.__index = reader
function reader:read(size) return assert(socket.read(self.id, size), "the connection is closed") end

local function read_answers(self)
  while true do
    local session, is_done, bytes, is_part = self.response(self.reader)
    local call = self.calls[session]
    if is_part or call.parts then
      call.parts = call.parts or {}
      call.parts[#call.parts + 1] = bytes
    else
      call.answer = bytes
    end
    if not is_part then
      call.is_done = is_done
      skynet.wakeup(call)
    end
  end
end

local function connect(self)
  local id = assert(socket.open(self.host, self.port))
  if self.nodelay then driver.nodelay(id) end
  self.reader = setmetatable({ id = id }, reader)
  skynet.fork(read_answers, self)
end

function channel:request(packet, session, parts)
  if not self.reader then connect(self) end
  local write = parts and socket.lwrite or socket.write
  write(self.reader.id, packet)
  for _, part in ipairs(parts or {}) do write(self.reader.id, part) end
  if not session then return end
  local call = {}
  self.calls[session] = call
  skynet.wait(call)
  self.calls[session] = nil
  if not call.is_done then error(call.answer) end
  return call.parts or call.answer
end

return {
  channel = function(settings)
    settings.calls = {}
    return setmetatable(settings, channel)
  end,
}
