-- Calls between nodes that know each other by name (contract 5.4). `call` and `send` reach a service by its
-- handle there, by a local name (".name"), or by a name that it has exported ("@name").
local skynet = require "skynet"

---@class skynet.cluster
local cluster = {}

local clusterd ---@type integer
local senders = {} ---@type table<string, integer>
local waiting = {} ---@type table<string, table[]> what send() has for nodes that are not reached yet

---The service that calls a node for us. Waits for a node that the configuration does not know yet.
---@param node string
---@return integer handle
function cluster.get_sender(node)
  local sender = senders[node]
  if not sender then
    sender = skynet.call(clusterd, "lua", "sender", node)
    senders[node] = sender
  end
  return sender
end

---Nothing was sent, because the sender has ended: the next call asks for another.
local function forget(node, sender, msg, size)
  skynet.trash(msg, size)
  if senders[node] == sender then senders[node] = nil end
end

local function finish(node, sender, msg, size, is_done, ...)
  if is_done then return ... end
  local failure = ...
  if type(failure) == "string" and failure:find("call to invalid address", 1, true) then
    forget(node, sender, msg, size)
  end
  error(failure, 0)
end

---Calls a service of another node. Raises when it fails, or when the node is lost or does not answer in
---time (the key cluster_call_timeout); the log says why.
---@param node string
---@param address integer|string
---@param ... any
---@return any ...
function cluster.call(node, address, ...)
  local sender = senders[node]
  if sender then
    local msg, size = skynet.pack(...)
    return finish(node, sender, msg, size, pcall(skynet.call, sender, "lua", "req", address, msg, size))
  end
  -- The arguments are as they are now, however long the node takes to come.
  local arguments = skynet.packstring(...)
  return skynet.call(cluster.get_sender(node), "lua", "req", address, arguments)
end

local function send_waiting(node)
  local list = waiting[node]
  local is_reached, sender = pcall(cluster.get_sender, node)
  waiting[node] = nil
  if not is_reached then
    return skynet.error(("cluster: %d messages to node %s are lost: %s"):format(#list, node, sender))
  end
  for _, message in ipairs(list) do skynet.send(sender, "lua", "push", message[1], message[2]) end
end

---Sends without waiting for an answer, in the order of the calls. Never waits itself.
---@param node string
---@param address integer|string
---@param ... any
function cluster.send(node, address, ...)
  local sender = senders[node]
  local list = waiting[node]
  if sender and not list then
    local msg, size = skynet.pack(...)
    if skynet.send(sender, "lua", "push", address, msg, size) then return end
    forget(node, sender, msg, size)
  end
  local message = { address, skynet.packstring(...) }
  if list then
    list[#list + 1] = message
  else
    waiting[node] = { message }
    skynet.fork(send_waiting, node)
  end
end

---Lets other nodes call this one. A port is opened on the address that the key cluster_listen_address has,
---127.0.0.1 without it; a name stands for its address in the configuration.
---@param port integer|string a port (0: any), or the name of a node
---@param maxclient integer? connections at a time
---@return string address
---@return integer port
function cluster.open(port, maxclient)
  if type(port) == "string" and not tonumber(port) then
    return skynet.call(clusterd, "lua", "listen", port, nil, maxclient)
  end
  local address = skynet.getenv "cluster_listen_address" or "127.0.0.1"
  return skynet.call(clusterd, "lua", "listen", address, math.tointeger(tonumber(port)) or port, maxclient)
end

---Takes new addresses: node -> "host:port", or false for one that is down; other nodes stay as they are.
---`__nowaiting = true`: nobody waits for unknown nodes. Raises for anything else, and takes nothing then.
---@param config table<string, string|boolean>? nil: from the file that the key `cluster` names
function cluster.reload(config)
  skynet.call(clusterd, "lua", "reload", config)
end

---A service of this node that stands for one of another: messages to it go there.
---@param node string a node, or "node.name" or "node@name"
---@param name integer|string|nil
---@return integer handle
function cluster.proxy(node, name)
  return skynet.call(clusterd, "lua", "proxy", node, name)
end

---The object of a snax service of another node, which has called snax.enablecluster().
---@param node string
---@param name string
---@param address integer|string|nil nil: the unique service of this name there
---@return table object
function cluster.snax(node, name, address)
  local snax = require "skynet.snax"
  address = address or cluster.call(node, ".service", "QUERY", "snaxd", name)
  return snax.bind(cluster.proxy(node, address), name)
end

---Exports a service under a name that other nodes call "@name". A service has one name; a taken one raises.
---@param name string
---@param handle integer? this service by default
function cluster.register(name, handle)
  assert(type(name) == "string", "cluster.register: the name is a string")
  assert(handle == nil or math.type(handle) == "integer", "cluster.register: the handle is an integer")
  return skynet.call(clusterd, "lua", "register", name, handle)
end

---@param name string
function cluster.unregister(name)
  assert(type(name) == "string", "cluster.unregister: the name is a string")
  return skynet.call(clusterd, "lua", "unregister", name)
end

---The handle that a node exports under a name. Raises when there is none.
---@param node string
---@param name string without "@"
---@return integer handle
function cluster.query(node, name)
  return cluster.call(node, 0, name)
end

skynet.init(function()
  clusterd = skynet.uniqueservice "clusterd"
end)

return cluster
