-- Names are looked up while the coroutine waits: socketdriver.resolve and udp_connect. Lookups of names
-- below example.invalid hang in this node.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local check = require "check"
local test, equal, matches = check.test, check.equal, check.matches

local LOOPBACK = { ["127.0.0.1"] = true, ["::1"] = true }

skynet.start(function()
  test("an address is resolved to itself", function()
    equal(driver.resolve("127.0.0.1"), { "127.0.0.1" })
    equal(driver.resolve("::1"), { "::1" })
  end)

  test("a name is resolved to its addresses", function()
    local ips = driver.resolve("localhost")
    assert(#ips > 0)
    for _, ip in ipairs(ips) do assert(LOOPBACK[ip], ip) end
  end)

  test("a failure is raised with its reason", function()
    check.raises("resolve a name with blanks: ..", driver.resolve, "a name with blanks")
  end)

  test("many coroutines may ask at once", function()
    local left, token = 20, {}
    for _ = 1, 20 do
      skynet.fork(function()
        assert(LOOPBACK[driver.resolve("localhost")[1]])
        left = left - 1
        if left == 0 then skynet.wakeup(token) end
      end)
    end
    skynet.wait(token)
  end)

  test("a lookup that hangs ends with dns_timeout, and delays nobody", function()
    local token, answer = {}, nil
    skynet.fork(function()
      local ok, err = pcall(driver.resolve, "slow.example.invalid")
      answer = tostring(ok) .. " " .. tostring(err)
      skynet.wakeup(token)
    end)
    skynet.yield()
    assert(LOOPBACK[driver.resolve("localhost")[1]])
    equal(answer, nil)
    skynet.wait(token)
    matches(answer, "^false .*resolve slow.example.invalid: dns timeout$")
  end)

  test("udp_connect waits for a name", function()
    local id = driver.udp("127.0.0.1", 0)
    driver.udp_connect(id, "localhost", 9)
    local peer
    for _, socket in ipairs(driver.info()) do
      if socket.id == id then peer = socket.peer end
    end
    equal(peer, "127.0.0.1:9")
    check.raises("resolve slow.example.invalid: dns timeout", driver.udp_connect, id, "slow.example.invalid", 9)
    check.raises("udp_connect ::1:9 failed", driver.udp_connect, id, "::1", 9)
  end)

  check.done()
end)
