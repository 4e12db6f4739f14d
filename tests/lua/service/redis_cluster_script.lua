-- skynet.db.redis.cluster with three masters, and a replica of the last one.
local skynet = require "skynet"
local cluster = require "skynet.db.redis.cluster"
local crc16 = require "skynet.db.redis.crc16"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local HOST = "127.0.0.1"
local PORT = assert(math.tointeger(tonumber(skynet.getenv "redis_port")))
local REPLICA = HOST .. ":" .. assert(skynet.getenv "redis_replica_port")

local messages = {}
local function onmessage(data, channel, pattern)
  if data == "fail" then error "as told" end
  messages[#messages + 1] = { data, channel, pattern }
end

local function test_keys(db)
  test("a key has the slot of its tag", function()
    equal(crc16 "123456789", 0x31c3)
    equal({ db:keyslot "foo", db:keyslot "{foo}bar", db:keyslot "x{foo}{bar}" }, { 12182, 12182, 12182 })
    equal({ db:keyslot "{}foo", db:keyslot "foo{" }, { crc16 "{}foo" % 16384, crc16 "foo{" % 16384 })
    for _, key in ipairs { "foo", "{}foo", "a{b}c", "{a", "x}{y}" } do
      equal(db:cluster("keyslot", key), db:keyslot(key))
    end
  end)

  test("keys go to the node that has them", function()
    for i = 1, 100 do equal(db:set("key" .. i, i), "OK") end
    for i = 1, 100 do equal(db:get("key" .. i), tostring(i)) end
    local sizes = 0
    for name in pairs(db.connections) do
      local host, port = name:match "^(.*):(%d+)$"
      local size = db:get_connection({ host = host, port = port, name = name }):dbsize()
      equal(size > 0 and size < 100, true)
      sizes = sizes + size
    end
    equal(sizes, 100)
  end)

  test("booleans lists and errors are as with one server", function()
    db:sadd("set", "one")
    equal({ db:exists "set", db:exists "no such key", db:sismember("set", "one"), db:sismember("set", "two") },
      { true, false, true, false })
    equal({ db:rpush("list", 1, 2), db:rpush { "list", 3 } }, { 2, 3 })
    equal(db:call("lrange", "list", 0, -1), { "1", "2", "3" })
    raises("^WRONGTYPE", db.lpush, db, "set", 1)
    raises("^CROSSSLOT", db.mget, db, "key1", "key2", "key3")
  end)

  test("commands whose key stands elsewhere find their node", function()
    for i = 1, 20 do
      local key = "elsewhere" .. i
      equal(db:eval("return redis.call('set', KEYS[1], ARGV[1])", 1, key, i), "OK")
      equal(db:get(key), tostring(i))
      equal(db:object("encoding", key), "int")
      equal(db:bitop("not", "{" .. key .. "}not", key), #tostring(i))
      equal(db:sintercard(1, "{" .. key .. "}none"), 0)
      local id = db:xadd("stream" .. i, "*", "field", i)
      equal(db:xread("count", 1, "streams", "stream" .. i, 0)[1][2][1][1], id)
    end
    equal(db:eval("return 7", 0), 7)
    equal(db:ping(), "PONG")
  end)

  test("commands about one connection or node are refused", function()
    for _, name in ipairs { "multi", "exec", "info", "config", "shutdown", "slaveof", "select", "watch" } do
      raises("No way to dispatch this command to Redis Cluster: " .. name:upper(), db[name], db)
    end
    raises("get_connection_by_slot", db.pipeline, db, { { "get", "a" } })
  end)

  test("a pipeline goes to the connection of a slot", function()
    local results = db:get_connection_by_slot(db:keyslot "{foo}"):pipeline({
      { "hmset", "{foo}hello", 1, 1, 2, 2 }, { "hgetall", "{foo}hello" },
    }, {})
    equal(results, { { ok = true, out = "OK" }, { ok = true, out = { "1", "1", "2", "2" } } })
    equal(type(db:get_random_connection():dbsize()), "number")
  end)
end

local function other_master(db, slot)
  for i = 0, 16383 do
    if db.slots[i].name ~= db.slots[slot].name then return db.slots[i] end
  end
end

local function test_moves(db)
  test("slots that are not known are found out", function()
    db:flush_slots_cache()
    equal(db.slots, {})
    equal(db:get "key1", "1")
    equal(db.slots[0] ~= nil and db.slots[16383] ~= nil, true)
  end)

  test("a node that moved a slot is believed", function()
    local slot = db:keyslot "key2"
    local real, wrong = db.slots[slot], other_master(db, slot)
    db.slots[slot] = wrong
    equal(db:get "key2", "2")
    equal(db.slots[slot].name, real.name)
  end)

  test("a slot that is on its way is asked for where it goes", function()
    local slot = db:keyslot "{way}"
    local from, to = db.slots[slot], other_master(db, slot)
    local source, target = db:get_connection(from), db:get_connection(to)
    target:cluster("setslot", slot, "importing", source:cluster "myid")
    source:cluster("setslot", slot, "migrating", target:cluster "myid")
    local await = check.in_parallel(50, function(i)
      db:set("{way}" .. i, i)
      return db:get("{way}" .. i)
    end)
    for i, result in ipairs(await()) do equal({ result[1], result[2] }, { true, tostring(i) }) end
    equal({ db:exists "{way}1", db:exists "{way}none" }, { true, false })
    equal({ source:cluster("countkeysinslot", slot), target:cluster("countkeysinslot", slot) }, { 0, 50 })
    equal(db.slots[slot].name, from.name)
    local id, told = target:cluster "myid", {}
    for i = 0, 16383 do
      local node = db.slots[i]
      if not told[node.name] then db:get_connection(node):cluster("setslot", slot, "node", id) end
      told[node.name] = true
    end
    equal(db:get "{way}7", "7")
    equal(db.slots[slot].name, to.name)
  end)

  test("connections that were closed are made again", function()
    local count = 0
    for _ in pairs(db.connections) do count = count + 1 end
    equal(count >= 3, true)
    db:close_all_connection()
    equal(db.connections, {})
    equal(db:set("key1", "again"), "OK")
    for name in pairs(db.connections) do db.connections[name]:disconnect() end
    equal({ db:get "key1", db:del "key1" }, { "again", 1 })
  end)
end

local function test_messages(db)
  test("what is published at any node comes", function()
    db:subscribe("world", "other")
    db:psubscribe "w*d2"
    local await = check.in_background(check.wait_until, function()
      db:publish("other", "fail")
      db:publish("world", "hello")
      db:publish("world2", "hi")
      local seen = {}
      for _, message in ipairs(messages) do seen[table.concat(message, " ", 1, message[3] and 3 or 2)] = true end
      return seen["hello world"] and seen["hi world2 w*d2"]
    end)
    equal(await()[1], true)
    db:unsubscribe("world", "other")
    db:punsubscribe()
    check.wait_until(function()
      local count = 0
      for _, conn in pairs(db.connections) do
        count = count + conn:pubsub("numsub", "world")[2] + conn:pubsub("numsub", "other")[2] + conn:pubsub "numpat"
      end
      return count == 0
    end)
    local deaf = cluster.new { { host = HOST, port = PORT } }
    raises("new%(%) got no function for messages", deaf.subscribe, deaf, "world")
    deaf:disconnect()
  end)
end

local function test_losses(db)
  test("with read_slave a replica is asked when the master is gone", function()
    local reader = cluster.new({ { host = HOST, port = PORT } }, { read_slave = true })
    check.wait_until(function() -- the nodes tell of a replica only once it has got something
      reader:initialize_slots_cache()
      return reader.slots[16383].slaves[1]
    end)
    local node, key = reader.slots[16383], nil
    for i = 1, 1000 do
      key = "lost" .. i
      if reader.slots[reader:keyslot(key)] == node then break end
    end
    equal(node.slaves[1].name, REPLICA)
    equal(reader:set(key, "kept"), "OK")
    equal(reader:get_connection_by_slot(reader:keyslot(key)):wait(1, 5000), 1)
    pcall(function() reader:get_connection(node):shutdown "nosave" end)
    equal(reader:get(key), "kept")
    raises("redis cluster", reader.set, reader, key, "new")
    raises("", db.get, db, key) -- who must not read from replicas has nobody to ask
    reader:disconnect()
  end)
end

skynet.start(function()
  local db = cluster.new({ { host = HOST, port = 1 }, { host = HOST, port = PORT } }, {}, onmessage)
  test_keys(db)
  test_moves(db)
  test_messages(db)
  test_losses(db)
  db:disconnect()
  check.done()
end)
