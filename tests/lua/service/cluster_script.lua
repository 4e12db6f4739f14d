-- Calls a node of the same kind; the test says where it is.
local skynet = require "skynet"
require "skynet.manager"
local cluster = require "skynet.cluster"
local check = require "check"
local dead_callers = require "dead_callers"
local test, equal, raises = check.test, check.equal, check.raises

local address = "127.0.0.1:" .. skynet.getenv "peer_port"

local function size_of(bytes) return ("x"):rep(bytes) end

skynet.start(function()
  test("a call waits for a node that comes later", function()
    local await = check.in_background(cluster.call, "db", "@sdb", "echo", 1)
    local await_other = check.in_background(cluster.call, "db", ".sdb", "echo", 2)
    cluster.send("db", "@sdb", "keep", "first")
    cluster.send("db", "@sdb", "keep", "second")
    skynet.sleep(10)
    cluster.reload { db = address }
    equal(await(), { true, 1, n = 2 })
    equal(await_other(), { true, 2, n = 2 })
    check.wait_until(function() return cluster.call("db", "@sdb", "echo", true) end)
    equal(cluster.call("db", "@sdb", "kept"), { "first", "second" })
  end)

  test("values come back as they were", function()
    equal({ cluster.call("db", "@sdb", "echo", "a", 1, 2.5, true, { x = { 1, 2 } }) }, { "a", 1, 2.5, true, { x = { 1, 2 } } })
    equal(select("#", cluster.call("db", "@sdb", "echo")), 0)
    equal(table.pack(cluster.call("db", "@sdb", "echo", nil, nil)), { n = 2 })
  end)

  test("requests and answers of every size arrive", function()
    for _, bytes in ipairs { 0, 1, 32000, 32763, 32764, 32765, 32766, 32767, 32768, 32769, 65535, 65536, 100000, 1000000, 5000000 } do
      equal(cluster.call("db", "@sdb", "size", size_of(bytes)), bytes)
      equal(#cluster.call("db", "@sdb", "text", bytes), bytes)
      assert(cluster.call("db", "@sdb", "echo", size_of(bytes)) == size_of(bytes))
    end
  end)

  test("large and small calls at once do not mix", function()
    local results = check.in_parallel(60, function(i)
      local text = tostring(i):rep(i % 3 == 0 and 20000 or 1)
      return cluster.call("db", "@sdb", "echo", text, i) == text
    end)()
    for i = 1, 60 do equal(results[i], { true, true, n = 2 }) end
  end)

  test("sends keep their order, large ones too", function()
    for i = 1, 20 do cluster.send("db", "@sdb", "keep", i) end
    cluster.send("db", "@sdb", "keep", size_of(200000))
    check.wait_until(function() return cluster.call("db", "@sdb", "echo", true) end)
    local kept = {}
    check.wait_until(function()
      for _, value in ipairs(cluster.call("db", "@sdb", "kept")) do kept[#kept + 1] = value end
      return #kept == 21
    end)
    for i = 1, 20 do equal(kept[i], i) end
    equal(#kept[21], 200000)
  end)

  test("what fails there fails here", function()
    raises("call failed", cluster.call, "db", "@sdb", "fail")
    raises("call failed", cluster.call, "db", "@nobody", "echo")
    raises("call failed", cluster.call, "db", ".nobody", "echo")
    raises("call failed", cluster.call, "db", 0x7ffffff, "echo")
    equal(cluster.call("db", "@sdb", "echo", "still there"), "still there")
  end)

  test("pointers do not travel", function()
    raises("call failed", cluster.call, "db", "@sdb", "pointer")
    local block, size = skynet.pack "mine"
    raises("call failed", cluster.call, "db", "@sdb", "echo", block, size)
    raises("call failed", cluster.call, "db", "@sdb", "echo", block, size_of(100000))
    skynet.trash(block, size)
  end)

  test("names lead to handles", function()
    local handle = cluster.query("db", "sdb")
    equal(math.type(handle), "integer")
    equal(cluster.call("db", handle, "echo", "by handle"), "by handle")
    raises("call failed", cluster.query, "db", "nobody")
  end)

  test("a proxy stands for the service", function()
    local proxy = cluster.proxy("db", "@sdb")
    equal(cluster.proxy "db@sdb", proxy) -- another spelling of the same
    equal(cluster.proxy("db", "@sdb"), proxy)
    for _, other in ipairs { proxy, cluster.proxy "db@sdb", cluster.proxy "db.sdb", cluster.proxy("db", cluster.query("db", "sdb")) } do
      equal({ skynet.call(other, "lua", "echo", "through", 1) }, { "through", 1 })
      equal(skynet.call(other, "lua", "size", size_of(100000)), 100000)
      skynet.send(other, "lua", "keep", "sent")
    end
    local count = 0
    check.wait_until(function()
      count = count + #cluster.call("db", "@sdb", "kept")
      return count == 4
    end)
    raises("call failed", skynet.call, proxy, "lua", "fail")
    raises("call failed", cluster.proxy, "nothing")
    raises("call failed", cluster.proxy, nil, "@sdb")
    raises("call failed", cluster.proxy, true, "@sdb")
    raises("call failed", cluster.proxy, "db", {})
    raises("call failed", cluster.proxy, "db", "@s db")
  end)

  test("a snax service is called in another node", function()
    local pinger = cluster.snax("db", "cluster_pinger")
    equal(pinger.req.ping "x", "pong x")
    pinger.post.add(5)
    check.wait_until(function() return pinger.req.count() == 5 end)
  end)

  test("the old name is that of the same module", function()
    equal(rawequal(require "compat10.cluster", cluster), true)
  end)

  test("get_sender is one service per node", function()
    equal(cluster.get_sender "db", cluster.get_sender "db")
    equal(skynet.call(cluster.get_sender "db", "lua", "req", "@sdb", skynet.pack("echo", 7)), 7)
    equal(skynet.call(skynet.uniqueservice "clusterd", "lua", "senders"), { db = cluster.get_sender "db" })
  end)

  test("senders and proxies that were killed are replaced", function()
    local clusterd = skynet.uniqueservice "clusterd"
    local proxy = cluster.proxy("db", "@sdb")
    local function kill(what)
      local count = 0
      for handle, text in pairs(skynet.call(".launcher", "lua", "LIST")) do
        if text:find(what, 1, true) then
          skynet.kill(tonumber(handle:sub(2), 16))
          count = count + 1
        end
      end
      return count
    end
    local function kill_sender()
      equal(kill "clustersender db", 1)
      check.wait_until(function() return skynet.call(clusterd, "lua", "senders").db == nil end)
    end
    kill_sender()
    raises("call to invalid address", cluster.call, "db", "@sdb", "echo", 1)
    equal({ cluster.call("db", "@sdb", "echo", 1), skynet.call(proxy, "lua", "echo", 2) }, { 1, 2 })
    kill_sender()
    cluster.send("db", "@sdb", "keep", "sent")
    skynet.send(proxy, "lua", "keep", "through")
    local count = 0
    check.wait_until(function()
      count = count + #cluster.call("db", "@sdb", "kept")
      return count == 2
    end)
    kill_sender()
    equal(skynet.call(proxy, "lua", "echo", 3), 3)
    raises("call to invalid address", cluster.call, "db", "@sdb", "echo", 3)
    equal(kill "clusterproxy db @sdb", 1)
    check.wait_until(function() return cluster.proxy("db", "@sdb") ~= proxy end)
    equal(skynet.call(cluster.proxy("db", "@sdb"), "lua", "echo", 4), 4)
    equal(cluster.call("db", "@sdb", "echo", 5), 5)
    kill_sender() -- a query went on with the dead one for ever
    raises("call to invalid address", cluster.query, "db", "sdb")
    equal(math.type(cluster.query("db", "sdb")), "integer")
  end)

  test("bad configurations change nothing", function()
    raises("call failed", cluster.reload, { db = 1 })
    raises("call failed", cluster.reload, { db = "127.0.0.1:1", other = "nowhere" })
    raises("call failed", cluster.reload, { db = "127.0.0.1:70000" })
    raises("call failed", cluster.reload, "text")
    raises("call failed", cluster.reload, { ["d b"] = "127.0.0.1:1" })
    equal(cluster.call("db", "@sdb", "echo", 1), 1)
  end)

  test("those who were killed while they waited for a node cost nothing", function()
    -- Each stayed for ever: nobody says that a caller was killed, and the node may never come.
    local cost = dead_callers(skynet.uniqueservice "clusterd", function() return "sender", "never_there" end)
    equal(cost < 300, true)
    cluster.reload { never_there = false }
  end)

  test("a node that is down is called no more", function()
    cluster.reload { db = false }
    raises("call failed", cluster.call, "db", "@sdb", "echo", 1)
    cluster.reload { db = address }
    equal(cluster.call("db", "@sdb", "echo", 2), 2)
  end)

  test("without waiting an unknown node is an error", function()
    local await = check.in_background(cluster.call, "unknown", "@sdb", "echo")
    skynet.sleep(1)
    cluster.reload { __nowaiting = true }
    equal(await()[1], false)
    raises("call failed", cluster.call, "unknown", "@sdb", "echo")
    cluster.reload { __nowaiting = false }
  end)

  test("names are exported and taken back", function()
    cluster.register "me"
    raises("call failed", cluster.register, "me", skynet.uniqueservice "clusterd")
    raises("a string", cluster.register, 1)
    raises("an integer", cluster.register, "me", "x")
    local clusterd = skynet.uniqueservice "clusterd"
    equal(skynet.call(clusterd, "lua", "queryname", "me"), skynet.self())
    cluster.register "me2" -- a service has one name
    equal(skynet.call(clusterd, "lua", "queryname", "me"), nil)
    cluster.unregister "me2"
    equal(skynet.call(clusterd, "lua", "queryname", "me2"), nil)
    cluster.unregister "me2"
  end)

  test("a port that is taken is an error", function()
    local _, port = cluster.open(0)
    raises("call failed", cluster.open, port)
    cluster.reload { own = "127.0.0.1:" .. skynet.getenv "own_port" }
    equal({ cluster.open "own" }, { "127.0.0.1", tonumber(skynet.getenv "own_port") })
    raises("call failed", cluster.open, "unnamed")
    require("cluster_callee")()
    cluster.register "self"
    equal(cluster.call("own", "@self", "echo", "round"), "round")
  end)

  check.done()
end)
