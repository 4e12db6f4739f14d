-- Starts an agent for each client and ends it with it.
local skynet = require "skynet"

local gate
local agent_of = {}

local SOCKET = {}

function SOCKET.open(fd, address)
  skynet.error("new client from " .. address)
  agent_of[fd] = skynet.newservice "sproto_game_agent"
  skynet.call(agent_of[fd], "lua", "start", { gate = gate, client = fd, watchdog = skynet.self() })
end

local function close_agent(fd)
  local agent = agent_of[fd]
  if not agent then return end
  agent_of[fd] = nil
  skynet.call(gate, "lua", "kick", fd)
  skynet.send(agent, "lua", "disconnect")
end

SOCKET.close = close_agent
SOCKET.error = close_agent
function SOCKET.warning() end
function SOCKET.data() end

local CMD = {}

function CMD.start(conf) return skynet.call(gate, "lua", "open", conf) end

CMD.close = close_agent

skynet.start(function()
  skynet.dispatch("lua", function(session, _, cmd, subcmd, ...)
    if cmd == "socket" then
      SOCKET[subcmd](...) -- the gate wants no answer
    elseif session == 0 then
      CMD[cmd](subcmd, ...)
    else
      skynet.ret(skynet.pack(CMD[cmd](subcmd, ...)))
    end
  end)
  gate = skynet.newservice "gate"
end)
