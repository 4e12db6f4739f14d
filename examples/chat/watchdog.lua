-- Starts an agent for each client of the gate, and ends it when the client goes.
local skynet = require "skynet"

local gate, room
local agent_of = {}  -- by socket; false while the agent starts
local socket_of = {} -- by agent

local socket_event = {}

-- What the gate still knows of the client, and the agent, if there is one.
local function forget(fd)
  local agent = agent_of[fd]
  if agent == nil then return end
  agent_of[fd] = nil
  skynet.send(gate, "lua", "kick", fd)
  if agent then
    socket_of[agent] = nil
    skynet.send(agent, "lua", "leave")
  end
  if not next(agent_of) then skynet.error("the last client has gone") end
end

function socket_event.open(fd, address)
  agent_of[fd] = false
  local agent = skynet.newservice "agent"
  if agent_of[fd] == nil then return skynet.send(agent, "lua", "leave") end -- the client has gone already
  agent_of[fd], socket_of[agent] = agent, fd
  skynet.send(agent, "lua", "start", { gate = gate, room = room, fd = fd, address = address })
end

socket_event.close = forget

function socket_event.error(fd, text)
  skynet.error(("client %d: %s"):format(fd, text))
  forget(fd)
end

function socket_event.warning(fd, kib)
  if kib > 0 then forget(fd) end -- it does not read: what it would have to read waits here
end

function socket_event.data() end -- frames before the agent has taken over: there are none

local command = {}

function command.start(_, conf)
  room = skynet.newservice "room"
  gate = skynet.newservice "gate"
  return skynet.call(gate, "lua", "open", conf)
end

-- An agent wants to lose its client.
function command.quit(agent)
  if socket_of[agent] then forget(socket_of[agent]) end
end

-- How many clients have an agent.
function command.count()
  local count = 0
  for _ in pairs(socket_of) do count = count + 1 end
  return count
end

skynet.start(function()
  skynet.dispatch("lua", function(_, source, name, argument, ...)
    if name == "socket" then
      socket_event[argument](...)
    else
      skynet.retpack(command[name](source, argument, ...))
    end
  end)
end)
