-- skynet.dns with a server that does not answer: 400 ms for a lookup, and ten at once.
local skynet = require "skynet"
local dns = require "skynet.dns"
local socket = require "skynet.socket"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

skynet.start(function()
  dns.server("127.0.0.1", math.tointeger(tonumber(skynet.getenv "dns_port")))

  test("silence is an error in time", function()
    local start = skynet.now()
    raises("silent%.test: timeout or no answer .*: no answer in time", dns.resolve, "silent.test")
    raises("tcpsilent%.test: timeout or no answer .*: no answer in time", dns.resolve, "tcpsilent.test")
    local took = skynet.now() - start
    equal(took >= 60 and took < 1000, true)
  end)

  test("too many lookups at once are refused", function()
    local await = check.in_parallel(12, function(i) return dns.resolve("silent" .. i .. ".test") end)
    local full = 0
    for _, result in ipairs(await()) do
      equal(result[1], false)
      if result[2]:find "dns queue full" then full = full + 1 end
    end
    equal(full, 2)
    raises("no answer in time", dns.resolve, "silent.test")
  end)

  test("no socket is left behind", function()
    check.wait_until(function()
      for _, each in ipairs(socket.netstat()) do
        if each.type == "UDP" or each.type == "TCP" then return false end
      end
      return true
    end)
  end)

  check.done()
end)
