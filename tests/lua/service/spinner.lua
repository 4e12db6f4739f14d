-- Spins until it is stopped.
local skynet = require "skynet"
skynet.start(function()
  skynet.timeout(0, function()
    skynet.error "spinner spins"
    local _, err = pcall(function() while true do end end)
    skynet.error("spinner was stopped: " .. tostring(err))
  end)
end)
