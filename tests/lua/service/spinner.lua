-- Spins until it is stopped. It makes garbage: the race detector holds signals back from code that never calls its own.
local skynet = require "skynet"
skynet.start(function()
  skynet.timeout(0, function()
    skynet.error "spinner spins"
    local _, err = pcall(function() while true do local _ = {} end end)
    skynet.error("spinner was stopped: " .. tostring(err))
  end)
end)
