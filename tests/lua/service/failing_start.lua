local skynet = require "skynet"
skynet.start(function() error "this service never starts" end)
