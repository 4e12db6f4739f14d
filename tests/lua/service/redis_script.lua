-- skynet.db.redis with a real server.
local skynet = require "skynet"
local redis = require "skynet.db.redis"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local PORT = assert(math.tointeger(tonumber(skynet.getenv "redis_port")))
local conf = { host = "127.0.0.1", port = PORT }

local function with(conf, more)
  local all = {}
  for key, value in pairs(conf) do all[key] = value end
  for key, value in pairs(more) do all[key] = value end
  return all
end

local function test_commands(db)
  test("each kind of reply has its kind of value", function()
    equal(db:set("a", "hello"), "OK")
    equal(db:get "a", "hello")
    equal(db:get "no such key", nil)
    equal(db:incrby("n", 41), 41)
    equal(db:incr "n", 42)
    equal(db:rpush("list", "x", 2, 3.5, true), 4)
    equal(db:lrange("list", 0, -1), { "x", "2", "3.5", "true" })
    equal(db:lrange("no such list", 0, -1), {})
    equal(db:mget("a", "no such key", "n"), { "hello", nil, "42" })
    equal(db:blpop("no such list", 0.01), nil)
  end)

  test("a value may be any bytes and long", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local value = table.concat(bytes):rep(8000)
    equal(db:set("binary", value), "OK")
    equal(db:get "binary" == value, true)
    equal(db:strlen "binary", #value)
    equal(db:set("empty", ""), "OK")
    equal(db:get "empty", "")
    db:del("binary", "empty")
  end)

  test("an error of the server is raised as its text", function()
    equal({ pcall(db.lpush, db, "a", 1) },
      { false, "WRONGTYPE Operation against a key holding the wrong kind of value" })
    raises("^ERR unknown command", db.nosuchcommand, db)
    equal(db:get "a", "hello")
  end)

  test("arguments may be a list and nils at its end are left out", function()
    equal(db:rpush { "list2", "x", "y" }, 2)
    equal(db:set("a", "again", nil, nil), "OK")
    equal(db:get "a", "again")
    raises("redis: argument 2 of SET is a nil", db.set, db, "a", nil, "EX")
    raises("redis: argument 1 of GET is a table", db.get, db, { {} })
    equal(db:get "a", "again")
  end)

  test("exists and sismember are booleans", function()
    db:sadd("set", "one")
    equal({ db:exists "a", db:exists "no such key" }, { true, false })
    equal({ db:sismember("set", "one"), db:sismember("set", "two") }, { true, false })
    raises("WRONGTYPE", db.sismember, db, "a", "one")
  end)

  test("a transaction gives an array, and an error among its replies is raised with it", function()
    db:multi()
    equal(db:set("t", 1), "QUEUED")
    db:incr "t"
    equal(db:exec(), { "OK", 2 })
    db:multi()
    db:set("t", "text")
    db:incr "t"
    local ok, replies = pcall(db.exec, db)
    equal({ ok, replies }, { false, { "OK", "ERR value is not an integer or out of range" } })
  end)

  test("commands about messages are refused where they would mix up replies", function()
    raises("redis%.watch", db.subscribe, db, "news")
    raises("redis%.watch", db.psubscribe, db, "news*")
    raises("redis%.watch", db.ssubscribe, db, "news")
    raises("redis%.watch", db.monitor, db)
  end)

  test("many coroutines share a connection", function()
    local await = check.in_parallel(200, function(i)
      db:set("shared" .. i, i)
      return db:get("shared" .. i)
    end)
    for i, result in ipairs(await()) do equal({ result[1], result[2] }, { true, tostring(i) }) end
    local id = db:client "id"
    equal(check.in_parallel(2, function() return db:client "id" end)()[2][2], id)
  end)
end

local function test_pipelines(db)
  test("a pipeline collects its replies and errors", function()
    local results = {}
    local returned = db:pipeline({
      { "set", "p", "1" }, { "lpush", "p", "x" }, { "get", "no such key" }, { "incr", "p" }, { "lrange", "list", 0, 1 },
    }, results)
    equal(returned == results, true)
    equal(results, {
      { ok = true, out = "OK" }, { ok = false, out = "WRONGTYPE Operation against a key holding the wrong kind of value" },
      { ok = true }, { ok = true, out = 2 }, { ok = true, out = { "x", "2" } },
    })
  end)

  test("a pipeline without results gives the last reply or raises it", function()
    equal(db:pipeline { { "lpush", "p", "x" }, { "get", "p" } }, "2")
    raises("^WRONGTYPE", db.pipeline, db, { { "get", "p" }, { "lpush", "p", "x" } })
    equal(db:pipeline { { "get", "p" } }, "2")
  end)

  test("a pipeline that is none is refused", function()
    raises("pipeline needs a list", db.pipeline, db, {})
    raises("pipeline needs a list", db.pipeline, db)
    raises("command 1 of the pipeline is a string", db.pipeline, db, { "get" })
    equal(db:get "p", "2")
  end)

  test("a long pipeline comes back whole", function()
    local ops = {}
    for i = 1, 20000, 2 do
      ops[i] = { "set", "long" .. i, i }
      ops[i + 1] = { "get", "long" .. i }
    end
    local results = db:pipeline(ops, {})
    equal(#results, 20000)
    local wrong = 0
    for i = 1, 20000, 2 do
      if results[i].out ~= "OK" or results[i + 1].out ~= tostring(i) then wrong = wrong + 1 end
    end
    equal(wrong, 0)
  end)
end

local function test_connections()
  test("a login is a name, a password and a database", function()
    local admin = redis.connect(conf)
    admin:acl("setuser", "anna", "on", ">secret", "~*", "+@all")
    local db = redis.connect(with(conf, { username = "anna", auth = "secret", db = 3 }))
    equal(db:acl "whoami", "anna")
    db:set("where", "three")
    equal(admin:get "where", nil)
    admin:select(3)
    equal(admin:get "where", "three")
    admin:config("set", "requirepass", "word")
    local by_password = redis.connect(with(conf, { auth = "word" }))
    equal(by_password:acl "whoami", "default")
    by_password:config("set", "requirepass", "")
    for _, each in ipairs { admin, db, by_password } do each:disconnect() end
  end)

  test("a login that is refused and a server that is not there raise the error of the channel", function()
    local ok, failure = pcall(redis.connect, with(conf, { username = "anna", auth = "wrong" }))
    equal({ ok, failure == socketchannel.error }, { false, true })
    ok, failure = pcall(redis.connect, { host = "127.0.0.1", port = 1 })
    equal({ ok, failure == socketchannel.error }, { false, true })
    raises("username needs auth", redis.connect, with(conf, { username = "anna" }))
    raises("needs a host", redis.connect, {})
    raises("redis: the configuration is a table, not nil", redis.connect)
    raises("redis: the configuration is a table, not host", redis.watch, "host")
  end)

  test("a connection that broke fails who waits and is made again with its login", function()
    local admin, db = redis.connect(conf), redis.connect(with(conf, { db = 5 }))
    db:set("five", 5)
    local id = db:client "id"
    local await = check.in_background(db.blpop, db, "never", 0)
    check.wait_until(function() return admin:client("list", "id", id):find "cmd=blpop" end)
    admin:client("kill", "id", id)
    local result = await()
    equal({ result[1], result[2] == socketchannel.error }, { false, true })
    equal(db:get "five", "5")
    equal(db:client "id" ~= id, true)
    admin:disconnect()
    db:disconnect()
  end)

  test("backup servers are used when the host is not there", function()
    local db = redis.connect { host = "127.0.0.1", port = 1, backup = { { host = "127.0.0.1", port = PORT } } }
    equal(db:ping(), "PONG")
    db:disconnect()
  end)

  test("disconnect ends it and says so afterwards", function()
    local db = redis.connect(conf)
    local await = check.in_background(db.blpop, db, "never", 0)
    skynet.yield()
    db:disconnect()
    local result = await()
    equal({ result[1], result[2] == socketchannel.error }, { false, true })
    raises("redis: get after disconnect", function() db:get "a" end)
  end)

  test("what is disconnected may go out of scope", function()
    do -- disconnect() had taken the __close that Lua looks for at the end of the scope
      local db <close> = redis.connect(conf)
      local watch <close> = redis.watch(conf)
      db:disconnect()
      watch:disconnect()
    end
  end)

  test("a connection that is out of scope or forgotten is closed", function()
    local admin = redis.connect(conf)
    local first, second
    do
      local db <close> = redis.connect(conf)
      first = db:client "id"
    end
    local forgotten = redis.connect(conf)
    second = forgotten:client "id"
    forgotten = nil
    collectgarbage()
    check.wait_until(function() return admin:client("list", "id", first, second) == "" end)
    admin:disconnect()
  end)
end

local function test_watches(db)
  test("messages come from channels and patterns", function()
    local watch = redis.watch(conf)
    watch:subscribe("foo", "bar")
    watch:psubscribe "hello.*"
    local function publish(channel, text)
      check.wait_until(function() return db:publish(channel, text) > 0 end)
    end
    publish("foo", "1")
    equal({ watch:message() }, { "1", "foo" })
    publish("hello.world", "2")
    publish("bar", "3")
    equal({ watch:message() }, { "2", "hello.world", "hello.*" })
    equal({ watch:message() }, { "3", "bar" })
    watch:unsubscribe "foo"
    watch:punsubscribe()
    check.wait_until(function() return db:publish("foo", "x") + db:publish("hello.you", "x") == 0 end)
    publish("bar", "4")
    local data, channel = watch:message()
    while data == "x" do data, channel = watch:message() end
    equal({ data, channel }, { "4", "bar" })
    raises("subscribe needs a name", watch.subscribe, watch)
    watch:disconnect()
    raises("after disconnect", function() watch:subscribe "foo" end)
  end)

  test("a watch that lost its connection says so and is subscribed again", function()
    local watch = redis.watch(conf)
    watch:subscribe "again"
    watch:psubscribe "more.*"
    check.wait_until(function() return db:publish("again", "1") == 1 end)
    equal({ watch:message() }, { "1", "again" })
    local await = check.in_background(watch.message, watch)
    skynet.yield()
    db:client("kill", "type", "pubsub")
    local result = await()
    equal({ result[1], result[2] == socketchannel.error }, { false, true })
    await = check.in_background(watch.message, watch)
    check.wait_until(function() return db:publish("more.news", "2") == 1 end)
    equal({ table.unpack(await(), 1, 4) }, { true, "2", "more.news", "more.*" })
    watch:disconnect()
  end)

  test("disconnect ends who waits for a message", function()
    local watch = redis.watch(conf)
    local await = check.in_background(watch.message, watch)
    skynet.yield()
    watch:disconnect()
    local result = await()
    equal({ result[1], result[2] == socketchannel.error }, { false, true })
  end)
end

skynet.start(function()
  local db = redis.connect(conf)
  test_commands(db)
  test_pipelines(db)
  test_connections()
  test_watches(db)
  check.done()
end)
