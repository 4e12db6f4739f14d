-- Fills the slots that the agents load.
local skynet = require "skynet"
local sprotoloader = require "sprotoloader"
local protocols = require "game_protocols"

skynet.start(function()
  sprotoloader.save(protocols.to_server, 1)
  sprotoloader.save(protocols.to_client, 2)
end)
