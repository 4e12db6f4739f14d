-- Answers each datagram with where it came from, how many came from there, and what was in it.
local skynet = require "skynet"
local socket = require "skynet.socket"

local SENDERS_MAX = 10000 -- a sender's address can be forged: there is no end to them

local counts = {}
local sender_count = 0

local function count(from)
  if not counts[from] then
    if sender_count == SENDERS_MAX then counts, sender_count = {}, 0 end
    sender_count = sender_count + 1
  end
  counts[from] = (counts[from] or 0) + 1
  return counts[from]
end

skynet.start(function()
  local host, port = skynet.getenv "udp_host", tonumber(skynet.getenv "udp_port")
  local id
  id = socket.udp_listen(host, port, function(data, from)
    local ip, sender_port = socket.udp_address(from)
    socket.sendto(id, from, ("%s:%d #%d %s"):format(ip, sender_port, count(from), data))
  end)
  skynet.error(("udp on %s:%d"):format(host, port))
end)
