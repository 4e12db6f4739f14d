-- Calls another node in the manner of Skynet's sender: a channel in session mode over skynet.cluster.core.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local core = require "skynet.cluster.core"
local check = require "check"
local test = check.test

local channel
local session = 1

local function read_response(reader)
  local size = socket.header(reader:read(2))
  return core.unpackresponse(reader:read(size))
end

local function call(address, ...)
  local number = session
  local packet, next_session, parts = core.packrequest(address, number, skynet.pack(...))
  session = next_session
  local answer = channel:request(packet, number, parts)
  if type(answer) ~= "table" then return skynet.unpack(answer) end
  local whole, size = core.concat(answer)
  return (function(...)
    skynet.trash(whole, size)
    return ...
  end)(skynet.unpack(whole, size))
end

local function push(address, ...)
  local packet, next_session, parts = core.packpush(address, session, skynet.pack(...))
  if parts then session = next_session end
  channel:request(packet, nil, parts)
end

skynet.start(function()
  channel = socketchannel.channel {
    host = "127.0.0.1",
    port = tonumber(skynet.getenv "peer_port"),
    response = read_response,
    nodelay = true,
  }
  test("requests and answers of every size pass", function()
    for _, size in ipairs { 1, 32763, 32764, 32765, 32766, 65536, 300000 } do
      check.equal(#call("@sdb", "echo", ("x"):rep(size)), size)
    end
    check.equal(call("@sdb", "echo", 1, "a", nil, true), 1)
  end)
  test("a handle is asked for and called", function()
    local handle = call(0, "sdb")
    check.equal(call(handle, "echo", "by handle"), "by handle")
    check.equal(call(".sdb", "echo", "by local name"), "by local name")
  end)
  test("pushes pass in their order", function()
    push("@sdb", "keep", "small")
    push("@sdb", "keep", ("x"):rep(40000))
    push(".sdb", "keep", "by local name")
    check.wait_until(function() return call("@sdb", "kept_count") == 3 end)
  end)
  test("errors have their texts", function()
    check.raises("name not found", call, 0, "nobody")
    check.raises("Invalid name", call, "@nobody", "echo")
    check.raises("call failed", call, "@sdb", "fail")
  end)
  test("the tag of a trace goes in front", function()
    channel:request(core.packtrace "(bare-peer-1):00000001-1")
    check.equal(call("@sdb", "echo", "traced"), "traced")
  end)
  check.done()
end)
