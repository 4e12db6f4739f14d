-- What a program does in a node with a number of its own, alone in its network.
local skynet = require "skynet"
require "skynet.manager"
local harbor = require "skynet.harbor"
local multicast = require "skynet.multicast"
local datacenter = require "skynet.datacenter"
local check = require "check"
local test = check.test

skynet.start(function()
  test("handles have the number of the node", function()
    local echo = skynet.newservice "echo"
    check.equal({ skynet.harbor(echo) }, { 1, false })
    check.equal(echo >> 24, 1)
    check.equal(skynet.call(skynet.address(echo), "lua", "echo", 5), 5)
  end)
  test("names of the network are found", function()
    local echo = skynet.newservice "echo"
    skynet.name("ECHO", echo)
    check.equal({ harbor.queryname "ECHO", skynet.call("ECHO", "lua", "echo", 7) }, { echo, 7 })
  end)
  test("services of the whole network are started once", function()
    local echo = skynet.uniqueservice(true, "echo")
    check.equal({ skynet.uniqueservice(true, "echo"), skynet.queryservice(true, "echo") }, { echo, echo })
  end)
  test("the datacenter and multicast know of no other node", function()
    datacenter.set("a", "b", 1)
    check.equal(datacenter.get("a", "b"), 1)
    local heard
    local channel = multicast.new { dispatch = function(_, _, text) heard = text end }
    channel:subscribe()
    channel:publish "hello"
    check.wait_until(function() return heard == "hello" end)
    check.equal(channel.channel & 0xff, 1)
  end)
  test("a call to another node fails", function()
    check.raises("call failed", skynet.call, 0x02000001, "lua", "anything")
  end)
  check.done()
end)
