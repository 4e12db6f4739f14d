-- Asks a build without TLS for it, in every way. Started by without_tls.py.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"
local test = check.test

local REASON = "this build has no TLS: it was configured with WITH_TLS=OFF"

skynet.start(function()
  skynet.fork(function()
    test("modules of TLS say that there is none", function()
      for _, name in ipairs { "ltls.c", "ltls.init.c", "http.tlshelper" } do
        check.raises(REASON, require, name)
        check.raises(REASON, require, name) -- again
      end
    end)
    test("requests to https and connections to wss say so too", function()
      local listener, _, port = socket.listen("127.0.0.1", 0)
      socket.start(listener, function(id) socket.close_fd(id) end)
      check.raises(REASON, require("http.httpc").get, "https://127.0.0.1:" .. port, "/")
      check.raises(REASON, require("http.websocket").connect, ("wss://127.0.0.1:%d/"):format(port))
      socket.close(listener)
      check.wait_until(function() return #socket.netstat() == 0 end)
    end)
    test("the algorithms of today say so, and those of old are there", function()
      local crypt = require "skynet.crypt"
      check.raises("this build has no TLS", crypt.sha256, "")
      check.raises("this build has no TLS", crypt.x25519, ("k"):rep(32))
      check.equal(#crypt.random(32), 32)
      check.equal(crypt.desdecode("12345678", crypt.desencode("12345678", "text")), "text")
    end)
    check.done()
    skynet.exit()
  end)
end)
