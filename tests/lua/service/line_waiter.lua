-- Kills a service that waits for a line, and leaves another one waiting.
local skynet = require "skynet"
require "skynet.manager"
local debugchannel = require "skynet.debugchannel"

local channels = {}

local function start_waiter(at_end)
  local channel, handle = debugchannel.create()
  channels[#channels + 1] = channel
  local peer = skynet.newservice "modules_peer"
  skynet.call(peer, "lua", "connect", handle)
  skynet.fork(function()
    pcall(skynet.call, peer, "lua", "read_line", 6000)
    at_end()
  end)
  skynet.sleep(1)
  return peer
end

skynet.start(function()
  local first = start_waiter(function()
    start_waiter(function() end)
    skynet.error "the first waiter is gone"
  end)
  skynet.kill(first)
end)
