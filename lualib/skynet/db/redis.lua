-- A client of Redis: every command is a method, many coroutines may share a connection. Requests go
-- out in the order of the calls; a connection that broke is made again by the next call.
--
-- Replies are RESP2, read by skyloom.resp: a status and a bulk string are strings, an integer is an
-- integer, null is nil, an array is a table (with holes where it has nulls). An error is raised: its
-- text, or the whole array when one of its elements is an error.
local socketchannel = require "skynet.socketchannel"
local resp = require "skyloom.resp"

local new_request, new_pipeline = resp.command, resp.commands

local PORT = 6379

local M = {}

---@class skynet.db.redis.configuration
---@field host string
---@field port integer? default 6379
---@field username string? of an ACL user; needs auth
---@field auth string? the password
---@field db integer? the database to select
---@field overload fun(is_overloaded: boolean)? as in skynet.socketchannel
---@field backup (string|{host: string, port: integer})[]? servers to try when the host is not reachable
---@field readonly boolean? ask a replica of a cluster, which then answers what only reads

-- Each link has a parser of its own: what is left of one reply is the beginning of the next.
local function parser_of(link)
  local parser = link.parser
  if not parser then
    parser = resp.parser()
    link.parser = parser
  end
  return parser
end

local SURPLUS = "redis: the server sent more replies than requests came"

-- What comes when nobody has asked would be taken for the reply to the next request.
local function check_end(link, unread)
  if unread > 0 and link:is_last() then error(SURPLUS, 0) end
end

local function request(db, data, response)
  local channel = db[1]
  channel:refuse_surplus(SURPLUS)
  return channel:request(data, response)
end

local function read_next(link)
  local parser = parser_of(link)
  while true do
    local ok, value, unread = parser:next()
    if ok ~= nil then return ok, value, unread end
    parser:feed(link:read())
  end
end

local function read_reply(link)
  local ok, value, unread = read_next(link)
  check_end(link, unread)
  return ok, value
end

local function read_message(link)
  local ok, value = read_next(link)
  return ok, value
end

local function read_boolean(link)
  local ok, value = read_reply(link)
  if ok then value = value ~= 0 end
  return ok, value
end

-- Of many replies the last; the others are not even made.
local function read_last(count)
  return function(link)
    local parser = parser_of(link)
    local left = count - 1
    while true do
      left = left - parser:skip(left)
      if left == 0 then return read_reply(link) end
      parser:feed(link:read())
    end
  end
end

local function read_all(count, results)
  return function(link)
    local parser = parser_of(link)
    local left = count
    while true do
      left = left - parser:collect(results, left)
      if left == 0 then
        check_end(link, parser:size())
        return true, results
      end
      parser:feed(link:read())
    end
  end
end

---What a new connection sends before anything else.
---@param conf skynet.db.redis.configuration
---@param then_do fun(channel: skynet.socketchannel)? afterwards
local function login(conf, then_do)
  if conf.username and not conf.auth then error("redis: a username needs auth, its password", 3) end
  if not (conf.auth or conf.db or conf.readonly or then_do) then return nil end
  return function(channel)
    if conf.username then
      channel:request(new_request("AUTH", conf.username, conf.auth), read_reply)
    elseif conf.auth then
      channel:request(new_request("AUTH", conf.auth), read_reply)
    end
    if conf.db then channel:request(new_request("SELECT", conf.db), read_reply) end
    if conf.readonly then channel:request(new_request "READONLY", read_reply) end
    if then_do then then_do(channel) end
  end
end

local function connect_channel(conf, then_do)
  if type(conf) ~= "table" then error("redis: the configuration is a table, not " .. tostring(conf), 3) end
  local channel = socketchannel.channel {
    host = conf.host,
    port = conf.port or PORT,
    backup = conf.backup,
    auth = login(conf, then_do),
    nodelay = true,
    overload = conf.overload,
  }
  channel:connect(true)
  return channel
end

local disconnected = {
  __index = function(_, name)
    return function() error(("redis: %s after disconnect()"):format(name), 2) end
  end,
  __close = function() end,
}

---@class skynet.db.redis
---@field [string] fun(self: skynet.db.redis, ...): any any command, under its name in small letters: its arguments are
---  strings, numbers and booleans, or one list of them; nils at the end are left out
local command = setmetatable({}, {
  __index = function(self, name)
    if type(name) ~= "string" then return nil end
    local upper = name:upper()
    local function f(db, ...)
      return request(db, new_request(upper, ...), read_reply)
    end
    self[name] = f
    return f
  end,
})

local function close(self)
  self[1]:close()
end

local meta = { __index = command, __gc = close, __close = close }

---Connects; raises socketchannel.error when that fails or the server refuses the login, and logs why.
---@param conf skynet.db.redis.configuration
---@return skynet.db.redis
function M.connect(conf)
  return setmetatable({ connect_channel(conf) }, meta)
end

for _, name in ipairs { "subscribe", "psubscribe", "ssubscribe", "monitor" } do
  command[name] = function()
    error(("redis: %s has no reply of its own: redis.watch() is for messages"):format(name), 2)
  end
end

---Closes the connection; whoever waits for a reply gets socketchannel.error.
function command:disconnect()
  close(self)
  self[1] = nil
  setmetatable(self, disconnected)
end

---@param key string
---@return boolean
function command:exists(key, ...)
  return request(self, new_request("EXISTS", key, ...), read_boolean)
end

---@param key string
---@param member string|number
---@return boolean
function command:sismember(key, member)
  return request(self, new_request("SISMEMBER", key, member), read_boolean)
end

---Sends many commands at once.
---@param ops any[][] each {name, argument ...}
---@param results table? gets an item {ok = boolean, out = value or error} for every command
---@return any results, or without them the reply to the last command, whose error is raised
function command:pipeline(ops, results)
  local count = type(ops) == "table" and #ops or 0
  if count == 0 then error("redis: pipeline needs a list of commands", 2) end
  return request(self, new_pipeline(ops), results and read_all(count, results) or read_last(count))
end

---A connection for messages. What it is subscribed to outlives it: the next connection is, too.
---@class skynet.db.redis.watch
local watch = {}

local watch_meta = {
  __index = watch,
  __gc = function(self) self.__sock:close() end,
  __close = function(self) self.__sock:close() end,
}

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  return names
end

---Connects; raises as connect() does.
---@param conf skynet.db.redis.configuration
---@return skynet.db.redis.watch
function M.watch(conf)
  local channels, patterns = {}, {}
  local function resubscribe(channel)
    if next(channels) then channel:request(new_request("SUBSCRIBE", names_of(channels))) end
    if next(patterns) then channel:request(new_request("PSUBSCRIBE", names_of(patterns))) end
  end
  return setmetatable({
    __sock = connect_channel(conf, resubscribe),
    __subscribe = channels,
    __psubscribe = patterns,
  }, watch_meta)
end

---Ends it: message() raises socketchannel.error.
function watch:disconnect()
  self.__sock:close()
  setmetatable(self, disconnected)
end

local function add(self, set, name, ...)
  local names = { ... }
  if #names == 0 then error(("redis: %s needs a name"):format(name:lower()), 3) end
  self.__sock:request(new_request(name, names))
  for _, each in ipairs(names) do set[tostring(each)] = true end
end

local function remove(self, set, name, ...)
  local names = { ... }
  self.__sock:request(new_request(name, names))
  if #names == 0 then names = names_of(set) end
  for _, each in ipairs(names) do set[tostring(each)] = nil end
end

---@param ... string channels
function watch:subscribe(...)
  add(self, self.__subscribe, "SUBSCRIBE", ...)
end

---@param ... string patterns of channels
function watch:psubscribe(...)
  add(self, self.__psubscribe, "PSUBSCRIBE", ...)
end

---@param ... string channels; none: all
function watch:unsubscribe(...)
  remove(self, self.__subscribe, "UNSUBSCRIBE", ...)
end

---@param ... string patterns; none: all
function watch:punsubscribe(...)
  remove(self, self.__psubscribe, "PUNSUBSCRIBE", ...)
end

---Waits for the next message. Raises socketchannel.error when the connection breaks, because messages
---may have been lost then; the next call connects again. Raises the text of an error of the server.
---@return string data
---@return string channel
---@return string? pattern of psubscribe()
function watch:message()
  local channel = self.__sock
  while true do
    local reply = channel:response(read_message)
    local kind = type(reply) == "table" and reply[1]
    if kind == "message" then return reply[3], reply[2] end
    if kind == "pmessage" then return reply[4], reply[3], reply[2] end
  end
end

return M
