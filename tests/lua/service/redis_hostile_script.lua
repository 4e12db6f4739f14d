-- skynet.db.redis with servers that break the protocol, and skynet.db.redis.cluster with one that lies.
local skynet = require "skynet"
local socket = require "skynet.socket"
local redis = require "skynet.db.redis"
local cluster = require "skynet.db.redis.cluster"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local server = require("channel_servers").server
local test, equal, raises = check.test, check.equal, check.raises

local HOST = "127.0.0.1"

-- A server that gives `reply` to whatever comes, or leaves that to it.
local function liar(reply)
  return server(function(id)
    while socket.read(id) do
      if type(reply) == "function" then reply(id) else socket.write(id, reply) end
    end
  end)
end

local function test_replies()
  for _, case in ipairs {
    { "%1\r\n+a\r\n:1\r\n", "redis: reply of type '%%' is of RESP3, this client speaks RESP2" },
    { "HTTP/1.1 400 Bad Request\r\n", "redis: reply of type 'H' is no RESP" },
    { "$99999999999\r\n", "redis: bulk string of 99999999999: must be %-1 to 536870912" },
    { "*99999999999\r\n", "redis: array of 99999999999: must be %-1 to" },
    { "$-2\r\n", "redis: bulk string of %-2" },
    { "$1\r\nabc", "redis: bulk string of 1 bytes does not end with CRLF" },
    { ":1x\r\n", "redis: bad number behind ':'" },
    { ("*1\r\n"):rep(33), "redis: reply nested deeper than 32 arrays" },
    { "+a\nb\r\n", "redis: line with a lone CR or LF" },
  } do
    local port, stop = liar(case[1])
    local db = redis.connect { host = HOST, port = port }
    raises("^" .. case[2], db.get, db, "a")
    db:disconnect()
    stop()
  end
end

-- Replies to CLUSTER SLOTS: the server itself has all slots.
local function slots_reply(port)
  return ("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n"):format(port)
end

local function fake_cluster(reply)
  local port, stop
  port, stop = server(function(id)
    local request = socket.read(id)
    while request do
      socket.write(id, request:find "CLUSTER" and slots_reply(port) or reply(port, request))
      request = socket.read(id)
    end
  end)
  return port, stop
end

skynet.start(function()
  test("what breaks the protocol is an error that says what it was", test_replies)

  test("a reply that nobody asked for is not the answer to the next request", function()
    local port, stop = liar "+first\r\n+second\r\n"
    local db = redis.connect { host = HOST, port = port }
    raises("redis: the server sent more replies than requests came", db.get, db, "a")
    raises("redis: the server sent more replies than requests came", db.pipeline, db, { { "get" } })
    raises("redis: the server sent more replies than requests came", db.pipeline, db, { { "get" } }, {})
    db:disconnect()
    stop()
  end)

  test("a reply that comes when nobody waits is not the answer to the next request", function()
    local count = 0
    local port, stop = server(function(id)
      count = count + 1
      socket.read(id)
      socket.write(id, count == 1 and "+first\r\n" or "+right\r\n")
      if count == 1 then
        socket.read(id)
        socket.write(id, "+second\r\n")
      end
      socket.read(id)
    end)
    local db = redis.connect { host = HOST, port = port }
    equal(db:get "a", "first")
    local id = db[1].__sock[1]
    socket.write(id, "whatever")
    check.wait_until(function() return socket.unread(id) > 0 end)
    equal({ db:get "a", count }, { "right", 2 })
    db:disconnect()
    stop()
  end)

  test("a reply that ends in the middle fails who waits", function()
    local port, stop = liar(function(id)
      socket.write(id, "*2\r\n$5\r\nhel")
      socket.close(id)
    end)
    local db = redis.connect { host = HOST, port = port }
    local ok, failure = pcall(db.get, db, "a")
    equal({ ok, failure == socketchannel.error }, { false, true })
    db:disconnect()
    stop()
  end)

  test("a length that is announced reserves nothing", function()
    local port, stop = liar "*300000000\r\n$500000000\r\nx"
    local db = redis.connect { host = HOST, port = port }
    local await = check.in_background(db.get, db, "a")
    check.wait_until(function() return db[1].__sock.parser and db[1].__sock.parser:size() > 0 end)
    equal(collectgarbage "count" < 20000, true)
    db:disconnect()
    equal(await()[1], false)
    stop()
  end)

  test("overload is told", function()
    local port, stop = server(function() skynet.wait {} end)
    local told = {}
    local db = redis.connect { host = HOST, port = port, overload = function(is) told[#told + 1] = is end }
    skynet.fork(pcall, db.set, db, "a", ("x"):rep(32 << 20))
    check.wait_until(function() return #told > 0 end)
    equal(told, { true })
    db:disconnect()
    stop()
  end)

  test("a command that is sent from node to node for ever is given up", function()
    local port, stop = fake_cluster(function(port) return ("-MOVED 1 127.0.0.1:%d\r\n"):format(port) end)
    local db = cluster.new { host = HOST, port = port }
    raises("redis cluster: GET is given up after 16 tries, the last ended with MOVED 1 ", db.get, db, "a")
    db:disconnect()
    stop()
  end)

  test("a move that leads nowhere is the error of the command", function()
    local port, stop = fake_cluster(function() return "-MOVED to the moon\r\n" end)
    local db = cluster.new { host = HOST, port = port }
    equal({ pcall(db.get, db, "a") }, { false, "MOVED to the moon" })
    db:disconnect()
    stop()
  end)

  test("a cluster that is changing is asked again", function()
    local count = 0
    local port, stop = fake_cluster(function()
      count = count + 1
      if count == 1 then return "-CLUSTERDOWN The cluster is down\r\n" end
      if count == 2 then return "-TRYAGAIN Multiple keys request during rehashing of slot\r\n" end
      return "+done\r\n"
    end)
    local db = cluster.new { host = HOST, port = port }
    equal({ db:get "a", count }, { "done", 3 })
    db:disconnect()
    stop()
  end)

  test("a cluster that stays down is what a command says that is given up", function()
    local port, stop = fake_cluster(function() return "-CLUSTERDOWN The cluster is down\r\n" end)
    local db = cluster.new { host = HOST, port = port }
    raises("the last ended with CLUSTERDOWN The cluster is down", db.get, db, "a")
    db:disconnect()
    stop()
  end)

  test("a command that may have been done is not sent again", function()
    local count = 0
    local port, stop
    port, stop = server(function(id)
      local request = socket.read(id)
      while request and not request:find "INCR" do
        socket.write(id, slots_reply(port))
        request = socket.read(id)
      end
      count = count + 1
    end)
    local db = cluster.new { host = HOST, port = port }
    local ok, failure = pcall(db.incr, db, "a")
    equal({ ok, failure == socketchannel.error, count }, { false, true, 1 })
    db:disconnect()
    stop()
  end)

  test("no node at all is an error that says so", function()
    raises("redis cluster: no node tells the slots", cluster.new, { { host = HOST, port = 1 } })
    raises("redis cluster: there are no startup nodes", cluster.new, {})
    raises("redis cluster: the startup nodes are a table, not nil", cluster.new)
    raises("redis cluster: startup node 1 needs a host and a port", cluster.new, { 7000 })
    raises("redis cluster: startup node 1 needs a host and a port", cluster.new, { { host = HOST, port = "x" } })
    local port, stop = liar "*0\r\n"
    raises("knows no slots", cluster.new, { { host = HOST, port = port } })
    stop()
  end)

  test("more connections than allowed are not made while all are in use", function()
    local port, stop = fake_cluster(function() return "" end)
    local other, stop_other = fake_cluster(function() return "+other\r\n" end)
    local db = cluster.new({ host = HOST, port = port }, { max_connections = 1 })
    local await = check.in_background(db.get, db, "a")
    local node = { host = HOST, port = other }
    check.wait_until(function() return db:get_random_connection()[1].__sock.last == 2 end)
    raises("redis cluster: all of 1 connections are in use", db.get_connection, db, node)
    db:close_all_connection()
    equal(await()[1], false)
    equal(db:get_connection(node):ping(), "other")
    equal(db:get_random_connection() ~= nil, true) -- the idle one makes room
    local count = 0
    for _ in pairs(db.connections) do count = count + 1 end
    equal(count, 1)
    db:disconnect()
    stop()
    stop_other()
  end)

  check.done()
end)
