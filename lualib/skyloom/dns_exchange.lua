-- One question to one DNS server: over UDP, and over TCP when the answer does not fit or somebody else
-- tries to answer.
--
-- Every question has a random number and a socket of its own, at a random port, that hears nobody but the
-- server's address. Whoever wants to answer in its place has to forge that, to guess the number and the
-- port, and to be faster.
local skynet = require "skynet"
local socket = require "skynet.socket"
local codec = require "skyloom.dns"

local FOREIGN_MAX = 16 -- so many packets that do not answer the question: somebody guesses

local M = {}

---@class skyloom.dns_exchange.result
---@field [1] string as skyloom.dns.read() has it, or "failed"
---@field [2] any
---@field [3] any

local function close_soon(id)
  skynet.fork(socket.close, id)
end

local function over_udp(server, name, kind, cs)
  local packet, number = codec.query(name, kind)
  local token, foreign, result = {}, 0, nil
  local function on_packet(data)
    if result then return end
    local found = table.pack(codec.read(data, number, name, kind))
    if found[1] == "foreign" then
      foreign = foreign + 1
      if foreign < FOREIGN_MAX then return end
      found = { "truncated" }
    end
    result = found
    skynet.wakeup(token)
  end
  local function on_failure(reason)
    if result then return end
    result = { "failed", reason }
    skynet.wakeup(token)
  end
  local is_open, id = pcall(socket.udp_dial_only, server.ip, server.port, on_packet, on_failure)
  if not is_open then return { "failed", id } end
  socket.write(id, packet)
  skynet.sleep(cs, token)
  result = result or { "failed", "no answer in time" }
  close_soon(id)
  return result
end

---One answer off a stream, or nil and why there is none.
local function read_stream(id, packet)
  socket.write(id, string.pack(">s2", packet))
  local head = socket.read(id, 2)
  local data = head and socket.read(id, (string.unpack(">I2", head)))
  if not data then return nil, "the connection ended before the answer" end
  return data
end

local function over_tcp(server, name, kind, cs)
  local packet, number = codec.query(name, kind)
  local token, is_over = {}, false
  local id, result
  skynet.fork(function()
    local failure
    id, failure = socket.open(server.ip, server.port)
    if id and not is_over then
      local called, data, reason = pcall(read_stream, id, packet)
      if called and data then
        result = table.pack(codec.read(data, number, name, kind))
      else
        failure = called and reason or data
      end
    end
    result = result or { "failed", failure }
    if id then close_soon(id) end
    if not is_over then skynet.wakeup(token) end
  end)
  if not result then skynet.sleep(cs, token) end
  is_over = true
  if not result and id then close_soon(id) end
  return result or { "failed", "no answer in time" }
end

---Asks. What a server that lies, breaks off or is silent gives is a failure, and why.
---@param server {ip: string, port: integer}
---@param name string
---@param kind "A"|"AAAA"
---@param cs integer how long this may take
---@return skyloom.dns_exchange.result
function M.ask(server, name, kind, cs)
  local start = skynet.now()
  local result = over_udp(server, name, kind, cs)
  if result[1] == "truncated" then
    local left = cs - (skynet.now() - start)
    result = left > 0 and over_tcp(server, name, kind, left) or { "failed", "no answer in time" }
  end
  local verdict = result[1]
  if verdict == "refused" then return { "failed", ("the server refuses with code %d"):format(result[2]) } end
  if verdict == "foreign" or verdict == "broken" or verdict == "truncated" then
    return { "failed", ("the answer is %s"):format(verdict) }
  end
  return result
end

return M
