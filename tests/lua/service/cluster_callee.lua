-- A service behind a name.
local skynet = require "skynet"

skynet.start(require "cluster_callee")
