-- A client of a Redis cluster: finds out which node has a key, and goes where a node sends it. One
-- connection for each node, shared by all coroutines; a command is a method, as in skynet.db.redis.
--
-- A command that could not be sent, or that a node did not take, goes to another node. One whose
-- connection broke afterwards may have been done: its error is raised, it is never sent twice.
local skynet = require "skynet"
local redis = require "skynet.db.redis"
local crc16 = require "skynet.db.redis.crc16"

local SLOTS = 16384
local HOPS_MAX = 16            -- how often one command goes to another node
local CONNECTIONS_MAX = 256    -- unless `max_connections` says otherwise
local BUSY_CS = 10             -- the pause before a cluster that is changing is asked again

local M = {}

---@class skynet.db.redis.cluster.node
---@field host string
---@field port integer
---@field name string host:port
---@field slaves skynet.db.redis.cluster.node[]? of a master

---@class skynet.db.redis.cluster.options
---@field auth string?
---@field username string?
---@field read_slave boolean? when a master cannot be reached, its replica is asked (it refuses to write)
---@field max_connections integer? default 256

---@class skynet.db.redis.cluster
---@field connections table<string, skynet.db.redis>
---@field [string] fun(self: skynet.db.redis.cluster, ...): any any command that has a key
local cluster = {}

local meta = {
  __index = function(_, name)
    local method = cluster[name]
    if method or type(name) ~= "string" or name:find "^__" then return method end
    method = function(self, ...) return self:call(name, ...) end
    cluster[name] = method
    return method
  end,
}

local function node_of(host, port)
  port = math.tointeger(tonumber(port))
  if type(host) ~= "string" or host == "" or not port then return nil end
  return { host = host, port = port, name = host .. ":" .. port }
end

---@param startup_nodes {host: string, port: integer}[]|{host: string, port: integer} some of the nodes
---@param options skynet.db.redis.cluster.options?
---@param onmessage fun(data: string, channel: string, pattern: string?)? gets what is subscribed to
---@return skynet.db.redis.cluster
function M.new(startup_nodes, options, onmessage)
  if type(startup_nodes) ~= "table" then
    error("redis cluster: the startup nodes are a table, not " .. tostring(startup_nodes), 2)
  end
  if startup_nodes.host then startup_nodes = { startup_nodes } end
  local nodes = {}
  for i, node in ipairs(startup_nodes) do
    nodes[i] = type(node) == "table" and node_of(node.host, node.port or 6379)
      or error(("redis cluster: startup node %d needs a host and a port"):format(i), 2)
  end
  if #nodes == 0 then error("redis cluster: there are no startup nodes", 2) end
  local self = setmetatable({
    startup_nodes = nodes,
    options = options or {},
    connections = {},
    slots = {},
    __seeds = nodes,
    __onmessage = onmessage,
  }, meta)
  self:initialize_slots_cache()
  return self
end

local function configuration(self, node, readonly)
  local options = self.options
  return { host = node.host, port = node.port, auth = options.auth, username = options.username, readonly = readonly }
end

-- --- connections

-- A program may have closed a connection itself.
local function is_closed(db)
  return rawget(db, 1) == nil
end

local function is_idle(db)
  if is_closed(db) then return true end
  local link = db[1].__sock
  return not link or link.last < link.first
end

---Makes room for one more connection. Raises when all are in use.
local function evict(self)
  local limit = self.options.max_connections or CONNECTIONS_MAX
  local count, idle = 0, nil
  for name, db in pairs(self.connections) do
    count = count + 1
    if is_idle(db) then idle = name end
  end
  if count < limit then return end
  if not idle then error(("redis cluster: all of %d connections are in use (max_connections)"):format(limit), 0) end
  if not is_closed(self.connections[idle]) then self.connections[idle]:disconnect() end
  self.connections[idle] = nil
end

---The connection to a node; makes it when there is none. Raises when that fails.
---@param node skynet.db.redis.cluster.node
---@return skynet.db.redis
function cluster:get_connection(node)
  local name = node.name or node.host .. ":" .. node.port
  local db = self.connections[name]
  if not db or is_closed(db) then
    self.connections[name] = nil
    evict(self)
    db = redis.connect(configuration(self, node, self.options.read_slave))
    local other = self.connections[name] -- that somebody else has made meanwhile
    if other and not is_closed(other) then
      db:disconnect()
      return other
    end
    self.connections[name] = db
  end
  return db
end

---The same, and it is connected.
local function reach(self, node)
  local db
  repeat
    db = self:get_connection(node)
    db[1]:connect(true)
  until not is_closed(db)
  return db
end

---The nodes of the cluster, then those that new() got and that are none of them.
local function all_nodes(self)
  local nodes, known = {}, {}
  for _, list in ipairs { self.startup_nodes, self.__seeds } do
    for _, node in ipairs(list) do
      if not known[node.name] then nodes[#nodes + 1] = node end
      known[node.name] = true
    end
  end
  return nodes
end

---A connection to any node that can be reached. Raises when there is none.
---@return skynet.db.redis
function cluster:get_random_connection()
  local nodes = all_nodes(self)
  local count, failure = #nodes, nil
  while #nodes > 0 do
    local ok, db = pcall(reach, self, table.remove(nodes, math.random(#nodes)))
    if ok then return db end
    failure = db
  end
  error(("redis cluster: none of %d nodes can be reached: %s"):format(count, tostring(failure)), 0)
end

---The connection to the master of a slot, or with read_slave to a replica when the master is gone.
---@param slot integer
---@return skynet.db.redis
function cluster:get_connection_by_slot(slot)
  local node = self.slots[slot]
  if not node then return self:get_random_connection() end
  local ok, db = pcall(reach, self, node)
  if ok then return db end
  local slaves = node.slaves
  if not self.options.read_slave or not slaves or #slaves == 0 then error(db, 0) end
  return reach(self, slaves[math.random(#slaves)])
end

---Closes all connections; the next command makes new ones.
function cluster:close_all_connection()
  local connections = self.connections
  self.connections = {}
  for _, db in pairs(connections) do
    if not is_closed(db) then db:disconnect() end
  end
end

-- --- slots

---@param key string|number
---@return integer slot 0 to 16383; of `{tag}` in the key, when it has one
function cluster:keyslot(key)
  key = tostring(key)
  local tag = key:match "^[^{]*{([^}]+)}"
  return crc16(tag or key) % SLOTS
end

---A node of the answer to CLUSTER SLOTS: {host, port, id, ...}; without a host it is the one asked.
local function read_node(entry, asked)
  local host = entry[1]
  if not host or host == "" then host = asked.host end
  return node_of(host, entry[2])
end

local function read_slots(entries, asked)
  local slots, nodes, known = {}, {}, {}
  local function add(entry)
    local node = read_node(entry, asked)
    if not node or node.host == "?" then return nil end
    node = known[node.name] or node
    if not known[node.name] then
      known[node.name] = node
      nodes[#nodes + 1] = node
    end
    return node
  end
  for _, entry in ipairs(entries) do
    local master = add(entry[3])
    if master then
      master.slaves = {}
      for i = 4, #entry do master.slaves[#master.slaves + 1] = add(entry[i]) end
      for slot = entry[1], math.min(entry[2], SLOTS - 1) do slots[slot] = master end
    end
  end
  return slots, nodes
end

---Asks a node which slots are where. Raises when none can be reached.
function cluster:initialize_slots_cache()
  self.__is_stale = false -- one coroutine asks, the others go on with what is known
  local failure
  for _, node in ipairs(all_nodes(self)) do
    local ok, entries = pcall(function() return self:get_connection(node):cluster "slots" end)
    if ok then
      local slots, nodes = read_slots(entries, node)
      if #nodes > 0 then
        self.slots, self.startup_nodes = slots, nodes
        return
      end
      entries = node.name .. " knows no slots"
    end
    failure = entries
  end
  self.__is_stale = true
  error(("redis cluster: no node tells the slots: %s"):format(tostring(failure)), 0)
end

---Forgets which slots are where; the next command asks.
function cluster:flush_slots_cache()
  self.slots = {}
  self.__is_stale = true
end

-- --- commands

-- About a connection or about one node: there is no node to choose for them.
local NOT_FOR_CLUSTER = {}
for name in ([[AUTH HELLO SELECT MULTI EXEC DISCARD WATCH UNWATCH INFO CONFIG SHUTDOWN SLAVEOF REPLICAOF
  MONITOR QUIT RESET READONLY READWRITE ASKING]]):gmatch "%S+" do
  NOT_FOR_CLUSTER[name] = true
end

-- Where the key stands, when it is not the first argument. A function finds it among the arguments.
local function behind_count(position)
  return function(arguments)
    if (math.tointeger(tonumber(arguments[position])) or 0) > 0 then return position + 1 end
  end
end

local function behind_streams(arguments)
  for i = 1, arguments.n do
    if tostring(arguments[i]):upper() == "STREAMS" then return i + 1 end
  end
end

local KEY_AT = {
  EVAL = behind_count(2), EVALSHA = behind_count(2), EVAL_RO = behind_count(2), EVALSHA_RO = behind_count(2),
  FCALL = behind_count(2), FCALL_RO = behind_count(2),
  ZUNION = behind_count(1), ZINTER = behind_count(1), ZDIFF = behind_count(1), ZINTERCARD = behind_count(1),
  SINTERCARD = behind_count(1), LMPOP = behind_count(1), ZMPOP = behind_count(1),
  BLMPOP = behind_count(2), BZMPOP = behind_count(2),
  XREAD = behind_streams, XREADGROUP = behind_streams,
  BITOP = 2, OBJECT = 2, MEMORY = 2, XINFO = 2, XGROUP = 2, DEBUG = 2,
}

---The slot of a command; nil: any node will do.
local function slot_of(self, name, arguments)
  if NOT_FOR_CLUSTER[name] then
    error(("No way to dispatch this command to Redis Cluster: %s"):format(name), 0)
  end
  local at = KEY_AT[name] or 1
  if type(at) == "function" then at = at(arguments) end
  local key = at and arguments[at]
  return key ~= nil and self:keyslot(key) or nil
end

local function is_kind(failure, kind)
  return type(failure) == "string" and failure:find(kind, 1, true) == 1
end

---What MOVED and ASK say: "MOVED slot host:port".
local function read_move(failure, asked)
  local slot, host, port = failure:match "^%u+ (%d+) (.-):(%d+)$"
  if not slot then return nil end
  return math.tointeger(tonumber(slot)), node_of(host ~= "" and host or asked, port)
end

---Sends a command over a connection. ASKING must stand right before it, whoever else shares the connection.
local function send(db, is_asking, name, arguments)
  if is_asking then
    return db:pipeline { { "ASKING" }, { name, table.unpack(arguments, 1, arguments.n) } }
  end
  return db[name:lower()](db, table.unpack(arguments, 1, arguments.n))
end

-- Commands whose reply is a boolean, as with one server.
local IS_BOOLEAN = { EXISTS = true, SISMEMBER = true }

---The connection for the next try. What fails here has not been sent.
local function choose(self, slot, goal)
  if goal == "any" or (goal == nil and slot == nil) then return self:get_random_connection() end
  return goal and reach(self, goal) or self:get_connection_by_slot(slot)
end

---Tries once. Returns whether that is the end, and the reply; or false, the next node, whether it has to be told
---that it is ASKed, and why this was not the end.
local function try(self, slot, goal, is_asking, name, arguments)
  if self.__is_stale then self:initialize_slots_cache() end
  local is_there, db = pcall(choose, self, slot, goal)
  if not is_there then
    if goal == "any" then error(db, 0) end
    self.__is_stale = true
    skynet.sleep(BUSY_CS)
    return false, "any", false, db
  end
  local host = db[1].__host
  local ok, reply = pcall(send, db, is_asking, name, arguments)
  if ok then
    if IS_BOOLEAN[name] and type(reply) == "number" then reply = reply ~= 0 end
    return true, reply
  end
  local failure = reply
  if is_kind(failure, "MOVED ") or is_kind(failure, "ASK ") then
    local moved, node = read_move(failure, host)
    if not node then error(failure, 0) end
    local asks = is_kind(failure, "ASK ")
    if not asks then
      self.slots[moved] = node
      self.__is_stale = true
    end
    return false, node, asks, failure
  elseif is_kind(failure, "CLUSTERDOWN") or is_kind(failure, "TRYAGAIN") or is_kind(failure, "LOADING") then
    skynet.sleep(BUSY_CS)
    self.__is_stale = not is_kind(failure, "TRYAGAIN") or self.__is_stale
    return false, goal, is_asking, failure
  end
  if type(failure) ~= "string" then self.__is_stale = true end -- the connection broke
  error(failure, 0)
end

---Sends a command to the node that has its key, and goes on where that sends it. Raises the error of the
---server, or socketchannel.error when the connection broke before there was a reply.
---@param name string
---@param ... any arguments
---@return any reply
function cluster:call(name, ...)
  local arguments = table.pack(...)
  if arguments.n == 1 and type(arguments[1]) == "table" then
    arguments = table.pack(table.unpack(arguments[1]))
  end
  name = name:upper()
  local slot = slot_of(self, name, arguments)
  local goal, is_asking, why
  for _ = 1, HOPS_MAX do
    local is_done, reply, asks, failure = try(self, slot, goal, is_asking, name, arguments)
    if is_done then return reply end
    goal, is_asking, why = reply, asks, failure
  end
  error(("redis cluster: %s is given up after %d tries, the last ended with %s"):format(name, HOPS_MAX, tostring(why)), 0)
end

---A pipeline goes to one node.
function cluster.pipeline()
  error("redis cluster: get_connection_by_slot(keyslot(key)) has a pipeline for the keys of one slot", 2)
end

-- --- messages. Every node of a cluster passes on what is published at any of them: one connection will do.

local function deliver(self, watch)
  while self.__watch == watch do
    local ok, data, channel, pattern = pcall(watch.message, watch)
    if self.__watch ~= watch then return end
    if ok then
      ok, data = pcall(self.__onmessage, data, channel, pattern)
    end
    if not ok then skynet.error("redis cluster: message:", data) end
  end
end

local function watch_of(self)
  if not self.__onmessage then error("redis cluster: new() got no function for messages", 3) end
  if not self.__watch then
    local first
    local others = {}
    for _, node in ipairs(self.startup_nodes) do
      if first then others[#others + 1] = { host = node.host, port = node.port } end
      first = first or node
    end
    local conf = configuration(self, first)
    conf.backup = others
    local watch = redis.watch(conf)
    if self.__watch then
      watch:disconnect()
    else
      self.__watch = watch
      skynet.fork(deliver, self, watch)
    end
  end
  return self.__watch
end

for _, name in ipairs { "subscribe", "psubscribe", "unsubscribe", "punsubscribe" } do
  ---Messages go to the function that new() got.
  cluster[name] = function(self, ...)
    local watch = watch_of(self)
    watch[name](watch, ...)
  end
end

---Ends all connections and the subscriptions.
function cluster:disconnect()
  self:close_all_connection()
  local watch = self.__watch
  self.__watch = nil
  if watch then watch:disconnect() end
end

return M
