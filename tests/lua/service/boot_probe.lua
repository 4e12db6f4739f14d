local skynet = require "skynet"
skynet.start(function() skynet.error "boot probe runs" end)
