-- Fills all the memory that it may have and leaves.
local skynet = require "skynet"
skynet.memlimit(tonumber((...)))
skynet.start(function()
  local held = {}
  pcall(function()
    while true do held[#held + 1] = {} end
  end)
  skynet.exit()
end)
