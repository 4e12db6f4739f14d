-- Starts when the gatekeeper opens; or fails then, or exits, as its argument says.
local skynet = require "skynet"
local how = ...
skynet.start(function()
  skynet.call(".gatekeeper", "lua", "wait")
  if how == "fail" then error "slow_start was told to fail" end
  if how == "exit" then skynet.exit() end
end)
