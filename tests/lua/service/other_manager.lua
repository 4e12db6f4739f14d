-- Stands for the service_mgr of another node.
local skynet = require "skynet"
skynet.start(function()
  skynet.dispatch("lua", function() skynet.retpack { remote = ":0100000a" } end)
end)
