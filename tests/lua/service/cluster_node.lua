-- A node that others call: exports "sdb" and the local name ".sdb".
local skynet = require "skynet"
require "skynet.manager"
local cluster = require "skynet.cluster"

skynet.start(function()
  require "cluster_callee"()
  local callee = skynet.newservice "cluster_callee"
  skynet.name(".sdb", callee)
  cluster.register("sdb", callee)
  local snax_name = skynet.getenv "snax" and "cluster_pinger"
  if snax_name then require("skynet.snax").uniqueservice(snax_name) end
  local address, port = cluster.open(math.tointeger(tonumber(skynet.getenv "cluster_port")) or 0,
    tonumber(skynet.getenv "cluster_maxclient"))
  skynet.error(("cluster on %s:%d, sdb is %d, this is %d"):format(address, port, callee, skynet.self()))
end)
