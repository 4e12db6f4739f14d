-- skynet.dns with a server that lies (dns_server.py says how): 6.6.6.6 is the lie.
local skynet = require "skynet"
local dns = require "skynet.dns"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local function first(name) return (dns.resolve(name)) end

skynet.start(function()
  dns.server("127.0.0.1", math.tointeger(tonumber(skynet.getenv "dns_port")))

  test("an answer with another number or question is passed over", function()
    equal(first "wrongid.test", "10.0.0.1")
    equal(first "wrongquestion.test", "10.0.0.1")
  end)

  test("an answer from another port is never seen", function()
    equal(first "otherport.test", "10.0.0.1")
  end)

  test("records of other names are neither answers nor kept", function()
    equal({ dns.resolve "poisoned.test" }, { "10.0.0.1", { "10.0.0.1" } })
    equal(first "bank.test", "10.0.0.1")
  end)

  test("an answer to an earlier question comes too late", function()
    equal(first "late.test", "10.0.0.1")
  end)

  test("a packet that is not well formed is no answer", function()
    for _, name in ipairs { "loop.test", "cut.test", "longer.test" } do
      raises(name:gsub("%.", "%%.") .. ": timeout or no answer .*: the answer is broken", dns.resolve, name)
    end
  end)

  test("what does not fit is asked for over TCP", function()
    local ip, list = dns.resolve "big.test"
    equal({ ip, #list, list[64] }, { "10.0.1.0", 64, "10.0.1.63" })
  end)

  test("over TCP nothing else is believed", function()
    raises("the answer is foreign", dns.resolve, "tcplie.test")
    raises("the answer is truncated", dns.resolve, "tcptruncated.test")
    raises("the connection ended before the answer", dns.resolve, "tcpcut.test")
  end)

  test("who seems to guess is shut out by TCP", function()
    equal(first "guess.test", "10.0.1.0")
  end)

  check.done()
end)
