-- The cluster of this node (contract 4.11): where other nodes are, what calls them, who may call us.
--
-- A name of a node leads to an address ("host:port"), to false (it is down), or to nothing: then who
-- asks waits until `reload` tells one, unless the option `__nowaiting` is set.
local skynet = require "skynet"
require "skynet.manager"
local core = require "skynet.cluster.core"
local add_waiter = require("skyloom.waiters").add

local config_name = skynet.getenv "cluster"
local node_name = core.nodename()

local options = {} ---@type table<string, any> keys of the configuration that begin with "__", without it
local addresses = {} ---@type table<string, string|false>
local senders = {} ---@type table<string, integer> clustersender of each node that was ever reached for
local is_ready = {} ---@type table<string, true> the sender was connected to the present address
local attempts = {} ---@type table<string, clusterd.attempt>
local proxies = {} ---@type table<string, integer> by node and name
local handles = {} ---@type table<string, integer> exported names
local names = {} ---@type table<integer, string> the name of each exported handle
local gates = {} ---@type table<integer, true>
local agents = {} ---@type table<integer, integer|false> by connection; false while it starts

local command = {}

-- Addresses ---------------------------------------------------------------------------------------

local function split(address)
  local host, digits = address:match "^(.+):(%d+)$"
  local port = tonumber(digits)
  if not port or port < 1 or port > 65535 then
    error(("cluster: the address %q is no host:port"):format(address), 0)
  end
  return host:match "^%[(.+)%]$" or host, port
end

---One attempt to reach a node, for everybody who asks for it meanwhile.
---@class clusterd.attempt
---@field [integer] {response: function} who waits for its end
---@field is_waiting boolean? for an address

---f() when a service that we started has ended: killed, or by its memory limit.
local function when_ended(service, f)
  skynet.fork(function()
    pcall(skynet.call, service, "debug", "LINK")
    f()
  end)
end

local function sender_at(node, host, port)
  local sender = senders[node]
  if not sender then
    sender = skynet.newservice("clustersender", node, node_name, host, port)
    senders[node] = sender
    when_ended(sender, function() senders[node], is_ready[node] = nil, nil end)
  end
  return sender
end

---@param attempt clusterd.attempt
local function await_address(attempt, node)
  if addresses[node] == nil and not options.nowaiting then
    skynet.error(("Waiting for cluster node [%s]"):format(node))
  end
  attempt.is_waiting = true
  while addresses[node] == nil and not options.nowaiting do skynet.wait(attempt) end
  attempt.is_waiting = false
  local address = addresses[node]
  if address == nil then error(("cluster node [%s] is absent."):format(node), 0) end
  if address == false then error(("cluster node [%s] is down."):format(node), 0) end
  return address
end

---@param attempt clusterd.attempt
local function reach(attempt, node)
  while true do
    local address = await_address(attempt, node)
    local host, port = split(address)
    local sender = sender_at(node, host, port)
    local is_connected = pcall(skynet.call, sender, "lua", "changenode", host, port)
    if addresses[node] == address then
      if not is_connected then error(("changenode [%s] (%s:%d) failed"):format(node, host, port), 0) end
      is_ready[node] = true
      return sender
    end
  end
end

---Names are arguments of services, and those are separated by blanks.
local function is_word(name)
  return type(name) == "string" and name:find "^[^%s%c]+$" ~= nil
end

local function check_node(node)
  if type(node) ~= "string" then error(("cluster: the name of a node is a string, not %s"):format(tostring(node)), 0) end
  if not is_word(node) then error(("cluster: %q is no name of a node"):format(node), 0) end
end

function command.sender(_, node)
  check_node(node)
  if is_ready[node] then return skynet.retpack(senders[node]) end
  local attempt = attempts[node]
  if not attempt then
    attempt = {}
    attempts[node] = attempt
    skynet.fork(function()
      local is_done, result = pcall(reach, attempt, node)
      attempts[node] = nil
      if not is_done then skynet.error(result) end
      for _, each in ipairs(attempt) do each.response(is_done, result) end
    end)
  end
  add_waiter(attempt, { response = skynet.response() })
end

-- Configuration -----------------------------------------------------------------------------------

local function load_file()
  local settings = {}
  if not config_name then return settings end
  local file = assert(io.open(config_name, "rb"))
  local source = file:read "a"
  file:close()
  assert(load(source, "@" .. config_name, "t", settings))()
  return settings
end

---The sender leaves the old address before anybody hears that the new one is known.
local function move(node, address)
  is_ready[node] = nil
  local sender = senders[node]
  if not sender then return end
  if address then
    skynet.send(sender, "lua", "changenode", split(address))
  else
    skynet.send(sender, "lua", "changenode", false)
  end
end

local function check(name, address)
  if not is_word(name) then error(("cluster: %q is no name of a node"):format(tostring(name)), 0) end
  if name:sub(1, 2) == "__" or address == false then return end
  if type(address) ~= "string" then
    error(("cluster: the address of %s is %s; it should be host:port, or false"):format(name, tostring(address)), 0)
  end
  split(address)
end

---Takes all of it, or nothing.
local function apply(settings)
  for name, address in pairs(settings) do check(name, address) end
  for name, address in pairs(settings) do
    if name:sub(1, 2) == "__" then
      options[name:sub(3)] = address
      skynet.error(("Config %s = %s"):format(name:sub(3), tostring(address)))
    elseif addresses[name] ~= address then
      addresses[name] = address
      move(name, address)
    end
  end
  for _, attempt in pairs(attempts) do
    if attempt.is_waiting then skynet.wakeup(attempt) end
  end
end

function command.reload(_, settings)
  if settings ~= nil and type(settings) ~= "table" then
    error(("cluster: reload takes a table, not a %s"):format(type(settings)), 0)
  end
  apply(settings or load_file())
  skynet.ret()
end

-- Calling others ----------------------------------------------------------------------------------

function command.senders()
  skynet.retpack(senders)
end

function command.proxy(_, node, name)
  if name == nil then
    local text = tostring(node)
    node, name = text:match "^([^@.]+)([@.].+)"
    if not node then error(("Invalid name %s"):format(text), 0) end
  end
  check_node(node)
  if math.type(name) ~= "integer" and not is_word(name) then error(("Invalid name %s"):format(tostring(name)), 0) end
  local full_name = ("%s.%s"):format(node, name)
  local proxy = proxies[full_name]
  if not proxy then
    proxy = skynet.newservice("clusterproxy", node, name)
    if proxies[full_name] then -- somebody else was faster
      skynet.kill(proxy)
      proxy = proxies[full_name]
    else
      proxies[full_name] = proxy
      when_ended(proxy, function() proxies[full_name] = nil end)
    end
  end
  skynet.retpack(proxy)
end

-- Being called ------------------------------------------------------------------------------------

function command.listen(_, address, port, maxclient)
  if port == nil then
    local own = addresses[address]
    if not own then error(("cluster: the node %s has no address to listen on"):format(tostring(address)), 0) end
    address, port = split(own)
  end
  local gate = skynet.newservice "gate"
  gates[gate] = true
  local is_open, host, bound = pcall(skynet.call, gate, "lua", "open", {
    address = address,
    port = port,
    maxclient = maxclient,
    nodelay = true,
  })
  if not is_open then
    gates[gate] = nil
    skynet.kill(gate)
    error(host, 0)
  end
  skynet.retpack(host, bound)
end

local function tell_agents()
  for _, agent in pairs(agents) do
    if agent then skynet.send(agent, "lua", "namechange") end
  end
end

function command.register(source, name, handle)
  if type(name) ~= "string" or name == "" then error(("cluster: %q is no name to export"):format(tostring(name)), 0) end
  if handles[name] then error(("cluster: the name %s is taken by :%08x"):format(name, handles[name]), 0) end
  handle = handle or source
  if math.type(handle) ~= "integer" then error(("cluster: %s is no handle"):format(tostring(handle)), 0) end
  local old = names[handle] -- a service has one name
  if old then handles[old] = nil end
  handles[name], names[handle] = handle, name
  tell_agents()
  skynet.ret()
  skynet.error(("Register [%s] :%08x"):format(name, handle))
end

function command.unregister(_, name)
  local handle = handles[name]
  if handle then
    handles[name], names[handle] = nil, nil
    tell_agents()
    skynet.error(("Unregister [%s] :%08x"):format(name, handle))
  end
  skynet.ret()
end

function command.queryname(_, name)
  skynet.retpack(handles[name])
end

function command.isexported(_, handle)
  skynet.retpack(names[handle] ~= nil)
end

-- Connections of the gates ------------------------------------------------------------------------

local event = {}

function event.open(gate, fd)
  agents[fd] = false
  local is_started, agent = pcall(skynet.newservice, "clusteragent", skynet.self(), gate, fd)
  if not is_started or not agent then
    agents[fd] = nil
    return skynet.send(gate, "lua", "kick", fd)
  end
  if agents[fd] == nil then return skynet.send(agent, "lua", "exit") end -- the other side has gone already
  agents[fd] = agent
  when_ended(agent, function() -- who waits for its answers hears it from the end of the connection
    if agents[fd] == agent then event.close(gate, fd) end
  end)
end

function event.close(gate, fd)
  skynet.send(gate, "lua", "kick", fd) -- the other side may have ended its direction only
  local agent = agents[fd]
  agents[fd] = nil
  if agent then skynet.send(agent, "lua", "exit") end
end

event.error = event.close -- a reset is an end as any other: no line for each

function command.socket(gate, name, ...)
  if not gates[gate] then error("clusterd: socket events come from its gates", 0) end
  local f = event[name]
  if f then f(gate, ...) end
end

skynet.start(function()
  apply(load_file())
  skynet.dispatch("lua", function(_, source, name, ...)
    local f = command[name]
    if not f then error(("clusterd: unknown command %s"):format(tostring(name)), 0) end
    f(source, ...)
  end)
  skynet.info_func(function()
    return { addresses = addresses, senders = senders, names = handles, connections = agents }
  end)
end)
