local skynet = require "skynet"
local snax = require "skynet.snax"
skynet.start(function() snax.newservice "counter" end)
