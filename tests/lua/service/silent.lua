-- Answers no debug command.
local skynet = require "skynet"
skynet.start(function()
  require("skynet.debug").reg_debugcmd("STAT", function() skynet.ignoreret() end)
  require("skynet.debug").reg_debugcmd("MEM", function() skynet.ignoreret() end)
end)
