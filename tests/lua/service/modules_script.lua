-- C++ modules between services: skynet.stm, skynet.debugchannel, skynet.memory, and the harbor; md5.
local skynet = require "skynet"
require "skynet.manager"
local stm = require "skynet.stm"
local debugchannel = require "skynet.debugchannel"
local memory = require "skynet.memory"
local check = require "check"
local test, in_background = check.test, check.in_background

local peer

local function ask(...) return skynet.call(peer, "lua", ...) end

local function test_stm()
  local writer = stm.new(skynet.pack("first", 1))
  test("another service reads each version of a value once", function()
    ask("open_copy", stm.copy(writer))
    check.equal({ ask "read" }, { true, "first", 1 })
    check.equal({ ask "read" }, { false })
    writer(skynet.pack("second", 2))
    writer(skynet.pack("third", 3))
    check.equal({ ask "read" }, { true, "third", 3 })
  end)
  test("a reader outlives its writer", function()
    writer = nil
    collectgarbage()
    check.equal({ ask "read" }, { false })
  end)
  test("versions are whole and in order while two workers write and read", function()
    local rising = stm.new(skynet.pack(0, ""))
    ask("open_copy", stm.copy(rising))
    local result = in_background(ask, "read_rising", 300)
    for number = 1, 300 do
      rising(skynet.pack(number, string.rep("x", number)))
      if number % 10 == 0 then skynet.yield() end
    end
    check.equal(result(), { true, 300, n = 2 })
  end)
  test("a copy that was invented or is taken fails there and nothing else", function()
    local value = stm.new(skynet.pack "value")
    local copy = stm.copy(value)
    ask("open_copy", copy)
    check.raises("call failed", ask, "open_copy", copy)
    check.raises("call failed", ask, "open_copy", 12345)
    check.equal({ ask "read" }, { true, "value" })
  end)
end

local function test_channel()
  local channel, handle = debugchannel.create()
  test("lines reach another service in order", function()
    channel:write "one"
    ask("connect", handle)
    channel:write "two"
    check.equal(ask("read_line"), "one")
    check.equal(ask("read_line"), "two")
    check.equal(ask("read_line"), nil)
  end)
  test("a service that waits for a line gets it from another worker", function()
    local result = in_background(ask, "read_line", 6000)
    skynet.yield()
    channel:write "awaited"
    check.equal(result(), { true, "awaited", n = 2 })
  end)
  test("a service that waits for a line leaves its worker to others", function()
    local result = in_background(ask, "read_line", 6000)
    local other = skynet.newservice "echo" -- this takes every worker that there is
    for i = 1, 100 do
      check.equal(skynet.call(other, "lua", "echo", i), i)
    end
    skynet.sleep(1)
    channel:write "awaited meanwhile"
    check.equal(result(), { true, "awaited meanwhile", n = 2 })
  end)
  test("services that wait for lines on top of each other all get theirs", function()
    local results, channels = {}, {}
    for i = 1, 12 do
      local peer = skynet.newservice "modules_peer"
      local own, other_end = debugchannel.create()
      skynet.call(peer, "lua", "connect", other_end)
      channels[i], results[i] = own, in_background(skynet.call, peer, "lua", "read_line", 1000)
    end
    skynet.yield()
    for i = 1, 12 do channels[i]:write("line " .. i) end
    for i = 1, 12 do check.equal(results[i](), { true, "line " .. i, n = 2 }) end
  end)
  test("a read ends with its timeout", function()
    local start = skynet.now()
    check.equal(ask("read_line", 5), nil)
    local waited = skynet.now() - start
    if waited < 4 or waited > 3000 then error(waited .. " cs instead of 5") end
  end)
  test("the other service may write as well", function()
    ask("write_line", "back")
    check.equal(channel:read(6000), "back")
  end)
  test("a channel connects two and no more", function()
    check.raises("call failed", ask, "connect", handle)
  end)
  test("a read ends when the other service is done", function()
    ask "end_channel"
    check.equal(channel:read(6000), nil)
  end)
end

local function test_hook()
  test("a hook stops a coroutine that does not end", function()
    local loop = coroutine.create(function() while true do end end)
    debugchannel.sethook(loop, function(event) return event == "count" end, "", 1000)
    check.equal({ coroutine.resume(loop) }, { true })
    check.equal(coroutine.status(loop), "suspended")
  end)
  test("a hook stops a coroutine at each line, and it goes on where it stood", function()
    local lines = 0
    local thread = coroutine.create(function(n)
      local sum = n
      sum = sum + 1
      return sum
    end)
    debugchannel.sethook(thread, function() lines = lines + 1 return true end, "l")
    local result = { coroutine.resume(thread, 41) }
    while coroutine.status(thread) == "suspended" do result = { coroutine.resume(thread) } end
    check.equal({ lines, table.unpack(result) }, { 3, true, 42 })
  end)
  test("a hook that stops a coroutine of the service itself ends that one and no other", function()
    local is_beyond = false
    skynet.fork(function()
      debugchannel.sethook(function() return true end, "l")
      is_beyond = false
      is_beyond = true
    end)
    skynet.sleep(1)
    check.equal(is_beyond, false)
  end)
end

local function test_memory()
  test("the allocator tells what is used", function()
    local is_replaced = skynet.getenv "sanitize" ~= nil  -- a sanitizer's allocator tells the C library nothing
    check.equal({ math.type(memory.total()), memory.total() > 0 or is_replaced }, { "integer", true })
    check.equal(math.type(memory.block()), "integer")
    check.equal(memory.current(), 0)
    check.equal(memory.info(), {})
  end)
  test("without jemalloc its figures are zero and its profile is off", function()
    local names = {}
    for name, figure in pairs(memory.jestat()) do
      check.equal(figure, 0)
      names[#names + 1] = name
    end
    check.equal(#names, 5)
    check.equal({ memory.mallctl "stats.active", memory.dumpheap(), memory.profactive(),
                  memory.profactive(true) }, { 0, -1, false, false })
  end)
  test("dumps are printed", function()
    memory.dump()
    memory.dumpinfo "a"
  end)
end

--- What editors are told (lualib/types) and what there is.
local function test_types()
  local elsewhere = {}  -- in lualib/skynet.lua and lualib/skynet/manager.lua
  for key in string.gmatch("cache init abort filter forward_type kill launch monitor name register",
                           "%S+") do
    elsewhere[key] = true
  end

  local function functions_of(name)
    local found = {}
    for key in pairs(require(name)) do
      if name ~= "skyloom.skynet" or not elsewhere[key] and not string.find(key, "^PTYPE_") then found[key] = true end
    end
    return found
  end

  local function told_functions(name)
    local path = skynet.getenv "types" .. "/" .. name:gsub("%.", "/") .. ".lua"
    local file <close> = assert(io.open(path))
    local text = file:read "a"
    check.equal(text:match "^%-%-%-@meta (%S+)", name)
    local own, told = text:match "return (%w+)%s*$", {}
    for key in text:gmatch("\nfunction " .. own .. "%.([%w_]+)%(") do told[key] = true end
    for key in text:gmatch("\n" .. own .. "%.([%w_]+) = ") do told[key] = true end
    return told
  end

  test("editors know exactly the functions that there are", function()
    for _, name in ipairs { "bson", "client.socket", "md5.core", "skyloom.shared", "skyloom.skynet",
                            "skynet.codecache", "skynet.core", "skynet.crypt", "skynet.datasheet.core",
                            "skynet.debugchannel", "skynet.memory", "skynet.mongo.driver",
                            "skynet.multicast.core", "skynet.netpack",
                            "skynet.profile", "skynet.sharedata.core", "skynet.sharetable.core",
                            "skynet.socketdriver", "skynet.stm", "sproto.core" } do
      check.equal({ name, told_functions(name) }, { name, functions_of(name) })
    end
  end)
end

local function test_harbor()
  test("a script cannot make the harbor follow its pointers", function()
    skynet.register_protocol { name = "system", id = skynet.PTYPE_SYSTEM, pack = function(s) return s end }
    local harbor = 5
    check.equal(skynet.send(harbor, "system", string.rep("\1", 48)), nil)
    check.equal(skynet.call(".cslave", "lua", "QUERYNAME", "DATACENTER") ~= nil, true)
  end)
  test("a script cannot start another harbor", function()
    check.equal(skynet.launch("harbor", 0, skynet.self()), nil)
  end)
  test("a call to another node fails", function()
    check.raises("call failed", skynet.call, 0x02000001, "lua", "anything")
  end)
  test("messages to a global name wait until somebody has it", function()
    local result = in_background(skynet.call, "PEERNAME", "lua", "echo", "late")
    skynet.yield()
    local echo = skynet.newservice "echo"
    skynet.name("PEERNAME", echo)
    check.equal(result(), { true, "late", n = 2 })
  end)
end

local function test_md5()
  local md5 = require "md5"
  test("digests are those of RFC 1321 and RFC 2202, as text", function()
    check.equal(md5.sumhexa "abc", "900150983cd24fb0d6963f7d28e17f72")
    check.equal(md5.hmacmd5("what do ya want for nothing?", "Jefe"), "750c783e6ab0b503eaa86e310a5db738")
    check.raises("the text is a string, not a nil", md5.hmacmd5)
    check.raises("the key is a string, not a table", md5.hmacmd5, "text", {})
    check.equal(md5.hmacmd5("Test Using Larger Than Block-Size Key - Hash Key First", string.rep("\xaa", 80)),
      "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd")
    check.equal(md5.sum, require("md5.core").sum)
  end)
end

local function test_old_names()
  test("the module names of old programs are there", function()
    local names = "cluster crypt datacenter dns memory mqueue multicast netpack profile sharedata sharemap snax socket "
      .. "socketchannel socketdriver stm"
    for name in string.gmatch(names, "%S+") do
      check.equal({ name, rawequal(require("compat10." .. name), require("skynet." .. name)) }, { name, true })
    end
    check.equal(rawequal(require "compat10.redis", require "skynet.db.redis"), true)
  end)
end

skynet.start(function()
  peer = skynet.newservice "modules_peer"
  test_stm()
  test_channel()
  test_hook()
  test_memory()
  test_types()
  test_harbor()
  test_md5()
  test_old_names()
  check.done()
end)
