-- skynet.dns with a server that tells the truth (dns_server.py says it): what is asked, and how long it is kept.
local skynet = require "skynet"
local dns = require "skynet.dns"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local HOST = "127.0.0.1"
local function port_of(name) return assert(math.tointeger(tonumber(skynet.getenv(name)))) end
local PORT, BROKEN, CLOSED = port_of "dns_port", port_of "dns_broken_port", port_of "dns_closed_port"

-- The clock that answers grow old by.
local now, ahead = skynet.now, 0
skynet.now = function() return now() + ahead end

local function first(name, ipv6) return (dns.resolve(name, ipv6)) end

local function test_names()
  test("the servers are those of the resolver file or those that are set", function()
    equal(dns.server(), "127.0.0.9")
    equal(dns.server("0::1", 5353), "::1")
    equal(dns.server { { ip = HOST, port = CLOSED }, "::1" }, HOST)
    raises("dns%.server: example%.com is no IP address", dns.server, "example.com")
    raises("dns%.server: port 0: must be 1 to 65535", dns.server, HOST, 0)
    raises("dns%.server: port x", dns.server, HOST, "x")
    raises("empty list", dns.server, {})
    equal(dns.server(HOST, PORT), HOST)
  end)

  test("a name has its addresses", function()
    equal({ dns.resolve "plain.test" }, { "10.0.0.1", { "10.0.0.1", "10.0.0.2" } })
    equal({ dns.resolve("six.test", true) }, { "fd00::6", { "fd00::6" } })
    equal({ dns.resolve "six.test" }, { "10.0.0.6", { "10.0.0.6" } })
    equal({ first "Count1.TEST.", first "count1.test" }, { "10.0.0.1", "10.0.0.1" })
  end)

  test("an address is its own answer", function()
    equal({ dns.resolve "10.1.2.3" }, { "10.1.2.3", { "10.1.2.3" } })
    equal({ dns.resolve("::1", true) }, { "::1", { "::1" } })
    equal({ dns.resolve "::1" }, { nil, "illegal ip address" })
    equal({ dns.resolve("10.1.2.3", true) }, { nil, "illegal ip address" })
  end)

  test("what can be no name is said to be illegal", function()
    for _, name in ipairs { "", ".", "a b", "a..b", ("x"):rep(64), ("x."):rep(127) .. "x", "a\0b", "[::1]" } do
      equal({ dns.resolve(name) }, { nil, "illegal name" })
    end
    raises("dns%.resolve: nil is no name", dns.resolve)
  end)

  test("the hosts file comes first", function()
    equal({ dns.resolve "known.test" }, { "10.9.9.9", { "10.9.9.9", "10.9.9.8" } })
    equal(first "KNOWN2.test", "10.9.9.9")
    equal(first("known.test", true), "::9")
    equal({ first "localhost", first("localhost", true), first "a.localhost" }, { "127.0.0.1", "::1", "127.0.0.1" })
  end)

  test("an alias is followed in the packet and beyond", function()
    equal(first "inner.test", "10.0.0.3")
    equal(first "alias.test", "10.0.0.1")
    raises("here%.test: more than 8 aliases", dns.resolve, "here.test")
  end)

  test("a name without addresses is an error that says so", function()
    raises("dns%.resolve none%.test: no such name", dns.resolve, "none.test")
    raises("dns%.resolve plain%.test: no AAAA address", dns.resolve, "plain.test", true)
  end)
end

local function test_cache()
  test("an answer is kept until flush", function()
    equal({ first "count2.test", first "count2.test" }, { "10.0.0.1", "10.0.0.1" })
    local _, list = dns.resolve "count2.test"
    list[1] = "changed"
    equal(first "count2.test", "10.0.0.1")
    dns.flush()
    equal(first "count2.test", "10.0.0.2")
    equal(first "count1.test", "10.0.0.2")
  end)

  test("an answer is kept as long as it lives", function()
    equal({ first "zero.test", first "zero.test" }, { "10.0.0.1", "10.0.0.2" })
    equal({ first "brief.test", first "brief.test" }, { "10.0.0.1", "10.0.0.1" })
    ahead = ahead + 101
    equal(first "brief.test", "10.0.0.2")
  end)

  test("an old answer is better than none", function()
    equal(first "stale.test", "10.0.0.1")
    ahead = ahead + 101
    equal(first "stale.test", "10.0.0.1")
  end)

  test("who asks for the same at once shares one question", function()
    for _, result in ipairs(check.in_parallel(20, function() return first "count3.test" end)()) do
      equal({ result[1], result[2] }, { true, "10.0.0.1" })
    end
    dns.flush()
    equal(first "count3.test", "10.0.0.2")
  end)

  test("an answer that comes after flush is given and not kept", function()
    local await = check.in_background(first, "held.test")
    skynet.yield()
    dns.flush()
    local again = check.in_background(first, "held.test")
    skynet.yield()
    first "release.test"
    equal(await()[1], true)
    equal(again()[1], true)
  end)

  test("the oldest answer goes when there are too many", function()
    dns.flush()
    equal(first "count100.test", "10.0.0.1")
    for i = 101, 119 do first("count" .. i .. ".test") end
    equal(first "count100.test", "10.0.0.1") -- 20 are kept
    first "count120.test"
    equal(first "count101.test", "10.0.0.1")
    equal(first "count100.test", "10.0.0.2")
  end)
end

local function test_servers()
  test("the next server is asked when one cannot answer or is not there", function()
    dns.flush()
    dns.server({ { ip = HOST, port = BROKEN }, { ip = HOST, port = PORT } })
    equal(first "plain5.test", "10.0.0.1")
    dns.server({ { ip = HOST, port = CLOSED }, { ip = HOST, port = PORT } })
    equal(first "plain6.test", "10.0.0.1")
    dns.server(HOST, BROKEN)
    raises("plain7%.test: timeout or no answer .*: the server refuses with code 2", dns.resolve, "plain7.test")
  end)

  test("a server that is not there is noticed at once", function()
    dns.server(HOST, CLOSED)
    raises("plain8%.test: timeout or no answer .*: Connection refused", dns.resolve, "plain8.test")
  end)
end

skynet.start(function()
  test_names()
  test_cache()
  test_servers()
  check.done()
end)
