-- Its start function never returns.
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
  skynet.register ".endless"
  while true do local _ = {} end
end)
