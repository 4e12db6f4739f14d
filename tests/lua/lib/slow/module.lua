-- Takes a while to load, and counts how often it is.
local skynet = require "skynet"
SLOW_LOADS = (SLOW_LOADS or 0) + 1
skynet.init(function() SLOW_INITS = (SLOW_INITS or 0) + 1 end)
skynet.sleep(5)
return { loads = SLOW_LOADS, name = ... }
