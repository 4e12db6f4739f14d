-- Our client against a server that others have written, an echo at echo_url.
local skynet = require "skynet"
local websocket = require "http.websocket"
local check = require "check"
local test = check.test

local URL = skynet.getenv "echo_url"

skynet.start(function()
  skynet.fork(function()
    test("messages of every size come back", function()
      local id = websocket.connect(URL, { ["Sec-WebSocket-Protocol"] = "chat, superchat" })
      for _, size in ipairs { 0, 1, 125, 126, 255, 256, 65535, 65536, 200000 } do
        for _, kind in ipairs { "text", "binary" } do
          local data = ("abc "):rep(size // 4 + 1):sub(1, size)
          websocket.write(id, data, kind)
          check.equal({ websocket.read(id) }, { data, kind })
        end
      end
      websocket.ping(id, "p")
      websocket.close(id, 1000, "done")
    end)
    test("the server's close frame is told", function()
      local id = websocket.connect(URL)
      websocket.write(id, "close me")
      check.equal({ websocket.read(id) }, { false, "as asked", 3000 })
    end)
    check.done()
    skynet.exit()
  end)
end)
