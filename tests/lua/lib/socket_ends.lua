-- Both ends of connections in one service, for tests of skynet.socket.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"

local HOST = "127.0.0.1"

local accepted = {} -- ids that nobody has taken yet
local taker
local port

local M = { accepted = accepted }

function M.on_accept(id)
  accepted[#accepted + 1] = id
  if taker then skynet.wakeup(taker) end
end

function M.take_accepted()
  taker = coroutine.running()
  while #accepted == 0 do skynet.wait(taker) end
  taker = nil
  return table.remove(accepted, 1)
end

-- Two ends of a new connection, both started.
function M.pair()
  local client = assert(socket.open(HOST, port))
  return client, assert(socket.start(M.take_accepted()))
end

function M.close(...)
  for _, id in ipairs { ... } do socket.close(id) end
end

-- f's results, later: call what this returns to wait for them.
function M.async(f, ...)
  local await = check.in_background(f, ...)
  return function()
    local results = await()
    return table.unpack(results, 2, results.n)
  end
end

-- For bytes on their way through the kernel, too.
M.wait_until = check.wait_until

function M.info_of(id)
  for _, info in ipairs(socket.netstat()) do
    if info.id == id then return info end
  end
  error(("netstat does not know socket %d"):format(id))
end

function M.has_read(id, bytes)
  M.wait_until(function() return M.info_of(id).read == bytes end)
  skynet.yield() -- the events, too
end

function M.is_paused(id)
  M.wait_until(function() return not M.info_of(id).reading end)
end

function M.free_port()
  local id, _, free = socket.listen(HOST, 0)
  socket.close(id)
  return free
end

-- The listener that pair() connects to, and its port.
function M.listen()
  local listener, _, bound = socket.listen(HOST, 0)
  port = bound
  socket.start(listener, M.on_accept)
  return listener, bound
end

return M
