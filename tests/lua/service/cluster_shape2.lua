-- The other node: a proxy, large keys and values, a trace, a node that is down, a name that comes later.
local skynet = require "skynet"
local cluster = require "skynet.cluster"

skynet.start(function()
  local proxy = cluster.proxy "db@sdb"
  local key = ("X"):rep(128 * 1024)
  local value = ("R"):rep(100 * 1024)
  skynet.call(proxy, "lua", "SET", key, value)
  local back = skynet.call(proxy, "lua", "GET", key)
  assert(back == value)
  skynet.error(("large: %d"):format(#back))
  skynet.send(proxy, "lua", "PING", "through the proxy")

  skynet.fork(function()
    skynet.trace "cluster"
    skynet.error(("get a: %s"):format(cluster.call("db", "@sdb", "GET", "a")))
    skynet.error(("get b: %s"):format(cluster.call("db2", "@sdb", "GET", "b")))
    cluster.send("db2", "@sdb", "PING", "db2:longstring:" .. value)
    local address = "127.0.0.1:" .. skynet.getenv "db2_port"
    skynet.call(proxy, "lua", "GET", "a") -- behind what was sent through it
    cluster.reload { db = false, db3 = address }
    skynet.error(("down: %s"):format(tostring((pcall(cluster.call, "db", "@sdb", "GET", "a")))))
  end)
  cluster.reload { __nowaiting = false }
  local pinger = cluster.snax("db3", "cluster_pinger")
  skynet.error(("ping: %s"):format(pinger.req.ping "hello"))
end)
