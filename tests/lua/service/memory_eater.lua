-- Never starts: it wants more memory than it may have.
local skynet = require "skynet"
skynet.memlimit(tonumber((...)) or 4 << 20)
skynet.start(function()
  local held = {}
  while true do held[#held + 1] = ("x"):rep(1 << 10) .. #held end
end)
