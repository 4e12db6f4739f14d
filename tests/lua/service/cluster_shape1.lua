-- One node of two in the manner of Skynet's examples: opens two names of its own, with a store and a snax service.
local skynet = require "skynet"
local cluster = require "skynet.cluster"
local snax = require "skynet.snax"

skynet.start(function()
  cluster.reload()
  local store = skynet.newservice "cluster_store"
  cluster.register("sdb", store)
  skynet.call(store, "lua", "SET", "a", "foobar")
  skynet.call(store, "lua", "SET", "b", "foobar2")
  cluster.open "db"
  cluster.open "db2"
  snax.uniqueservice "cluster_pinger"
  skynet.error "both are open"
end)
