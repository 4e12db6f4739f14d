-- A gate and one Lua agent per client, which echoes: snlua bench_lua_watchdog PORT
local skynet = require "skynet"

local port = math.tointeger(...)
local gate
local socket = {}
local agents = {}

function socket.open(fd)
  local agent = skynet.newservice("bench_lua_agent")
  agents[fd] = agent
  skynet.call(agent, "lua", gate, fd)
end

function socket.close(fd)
  skynet.call(gate, "lua", "kick", fd)
  skynet.send(agents[fd], "debug", "EXIT")
  agents[fd] = nil
end

function socket.error(fd)
  skynet.send(agents[fd], "debug", "EXIT")
  agents[fd] = nil
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, _, event, fd)
    local f = socket[event]
    if f then f(fd) end
  end)
  gate = skynet.newservice("gate")
  skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = port, maxclient = 30000 })
end)
