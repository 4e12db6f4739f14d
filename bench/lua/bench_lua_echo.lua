-- Framed echo in one Lua service: snlua bench_lua_echo PORT
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
local gateserver = require "snax.gateserver"

local port = math.tointeger(...)

gateserver.start {
  embed = true,
  connect = gateserver.openclient,
  message = function(fd, message, size)
    driver.send(fd, netpack.pack(message, size))
    skynet.trash(message, size)
  end,
}

skynet.start(function()
  skynet.send(skynet.self(), "lua", "open", { address = "127.0.0.1", port = port, maxclient = 30000 })
end)
