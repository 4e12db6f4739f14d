-- The gate of contract 4.5: clients on one side, their agents and a watchdog on the other.
local skynet = require "skynet"
local gateserver = require "snax.gateserver"

---@class gate.client
---@field agent integer? who gets the frames; nil: the watchdog
---@field source integer? as whose message
---@field is_routed boolean? the engine sends them there

local watchdog ---@type integer
local clients = {} ---@type table<integer, gate.client>

-- A frame of a client that was forwarded and then accepted again: it was routed, and is routed here now.
skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = skynet.tostring,
  dispatch = function(fd, source, text)
    skynet.ignoreret() -- the session is the client's number
    if source ~= skynet.self() then error "gate: it takes no frames from services" end
    skynet.send(watchdog, "lua", "socket", "data", fd, text)
  end,
}

local handler = {}

function handler.open(source, conf)
  watchdog = conf.watchdog or source
  return conf.address, conf.port
end

function handler.message(fd, msg, size)
  local client = clients[fd]
  if client and client.agent then
    skynet.redirect(client.agent, client.source, "client", fd, msg, size) -- the block itself, no copy
  else
    local text = skynet.tostring(msg, size)
    skynet.trash(msg, size)
    skynet.send(watchdog, "lua", "socket", "data", fd, text)
  end
end

function handler.connect(fd, address)
  clients[fd] = {}
  skynet.send(watchdog, "lua", "socket", "open", fd, address)
end

function handler.disconnect(fd)
  clients[fd] = nil
  skynet.send(watchdog, "lua", "socket", "close", fd)
end

function handler.error(fd, text)
  clients[fd] = nil
  skynet.send(watchdog, "lua", "socket", "error", fd, text)
end

function handler.warning(fd, kib)
  skynet.send(watchdog, "lua", "socket", "warning", fd, kib)
end

---Frames go past this service where they can.
local function route(fd, client)
  local to = client.agent
  if type(to) == "string" then to = skynet.localname(to) end
  local is_here = math.type(to) == "integer" and not select(2, skynet.harbor(to))
  if is_here and gateserver.routeclient(fd, to, client.source, skynet.PTYPE_CLIENT) then
    client.is_routed = true
  else
    gateserver.openclient(fd)
  end
end

local function client_of(fd)
  return clients[fd] or error(("gate: no client has the socket %s"):format(tostring(fd)))
end

local command = {}

function command.forward(source, fd, client_source, address)
  local client = client_of(fd)
  client_source = client_source or 0
  if math.type(client_source) ~= "integer" then
    error(("gate: the client of the socket %d is a handle, not %s"):format(fd, tostring(client_source)))
  end
  client.agent, client.source = address or source, client_source
  route(fd, client)
end

function command.accept(_, fd)
  local client = client_of(fd)
  client.agent, client.source = nil, nil
  if client.is_routed then
    gateserver.routeclient(fd, skynet.self(), 0, skynet.PTYPE_CLIENT) -- here, as frames
  else
    gateserver.openclient(fd)
  end
end

function command.kick(_, fd)
  gateserver.closeclient(fd)
end

function handler.command(name, source, ...)
  local f = command[name] or error(("gate: unknown command %s"):format(tostring(name)))
  return f(source, ...)
end

gateserver.start(handler)
