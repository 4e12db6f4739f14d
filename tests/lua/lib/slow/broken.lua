local skynet = require "skynet"
skynet.sleep(5)
error { "a module that breaks" }
