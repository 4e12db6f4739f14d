-- skynet.dns asks many times: the server looks at the numbers and ports of the questions.
local skynet = require "skynet"
local dns = require "skynet.dns"
local check = require "check"
local test = check.test

skynet.start(function()
  test("many names have their addresses", function()
    dns.server("127.0.0.1", math.tointeger(tonumber(skynet.getenv "dns_port")))
    for i = 1, 200 do check.equal((dns.resolve("count" .. i .. ".test")), "10.0.0.1") end
  end)
  check.done()
end)
