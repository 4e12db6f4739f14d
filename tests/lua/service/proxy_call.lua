-- Calls another service for its caller: whether that went well.
local skynet = require "skynet"
skynet.start(function()
  skynet.dispatch("lua", function(_, _, target, ...)
    skynet.retpack((pcall(skynet.call, target, "lua", ...)))
  end)
end)
