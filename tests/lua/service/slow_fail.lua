local skynet = require "skynet"
skynet.start(function()
  skynet.sleep(2)
  error "slow_fail always fails"
end)
