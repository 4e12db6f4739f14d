-- Channels: what one service publishes, all that subscribe get. Inside of a node the packed message is not copied.

local skynet = require "skynet"
local core = require "skynet.multicast.core"

local multicastd
local subscribed = {}  -- channel -> object

---@class skynet.multicast.channel
---@field channel integer
local methods = {}
local metatable = {
  __index = methods,
  __tostring = function(self) return string.format("[Multicast:%x]", self.channel or 0) end,
}

local multicast = {}

skynet.init(function() multicastd = skynet.uniqueservice "multicastd" end)

--- A channel: a new one, or the one with the number `channel`.
---@param conf? {channel: integer?, pack: function?, unpack: function?, dispatch: fun(channel: skynet.multicast.channel, source: integer, ...)?}
---@return skynet.multicast.channel
function multicast.new(conf)
  assert(multicastd, "multicast: use it after skynet.start")
  conf = conf or {}
  if type(conf) ~= "table" then error("multicast.new: not a table but a " .. type(conf), 2) end
  local id = conf.channel
  if id == nil then
    id = skynet.call(multicastd, "lua", "NEW")
  elseif math.type(id) ~= "integer" then
    error(string.format("multicast: a channel is an integer, not %s", tostring(id)), 2)
  end
  return setmetatable({
    channel = id,
    __pack = conf.pack or skynet.pack,
    __unpack = conf.unpack or skynet.unpack,
    __dispatch = conf.dispatch,
  }, metatable)
end

--- Ends the channel for everybody.
function methods:delete()
  local id = self.channel
  self.channel = nil
  if subscribed[id] == self then subscribed[id] = nil end
  skynet.send(multicastd, "lua", "DEL", id)
end

--- Sends the values to all that have subscribed.
---@param ... any as the channel's pack takes it
function methods:publish(...)
  assert(self.channel, "multicast: the channel is deleted")
  local package, size = core.pack(self.__pack(...))
  skynet.call(multicastd, "lua", "PUB", self.channel, package, size)
end

--- The channel's dispatch function gets what is published from now on. Raises when there is no such channel.
function methods:subscribe()
  local id = assert(self.channel, "multicast: the channel is deleted")
  if subscribed[id] == self then return end
  if subscribed[id] then error(string.format("multicast: channel %d is subscribed by another object", id), 2) end
  if not self.__dispatch then error("multicast: the channel has no dispatch function", 2) end
  subscribed[id] = self
  local is_done, err = pcall(skynet.call, multicastd, "lua", "SUB", id)
  if is_done then return end
  subscribed[id] = nil
  error(string.format("multicast: cannot subscribe to channel %d: %s", id, err), 2)
end

--- What was published before may still come, and is dropped.
function methods:unsubscribe()
  local id = self.channel
  if not id or subscribed[id] ~= self then return end
  subscribed[id] = nil
  skynet.send(multicastd, "lua", "USUB", id)
end

--- The bytes are needed until they are unpacked, and no longer: the dispatch function may wait.
local function close_and_return(package, is_done, ...)
  core.close(package)
  if not is_done then error((...), 0) end
  return ...
end

skynet.register_protocol {
  name = "multicast",
  id = skynet.PTYPE_MULTICAST,
  unpack = function(msg, sz) return msg, sz end,
  dispatch = function(channel, source, letter, size)
    skynet.ignoreret()  -- whatever fails: the session is no request's
    local package, msg, sz = core.unpack(letter, size)
    local self = subscribed[channel]
    if not self then return core.close(package) end
    self.__dispatch(self, source, close_and_return(package, pcall(self.__unpack, msg, sz)))
  end,
}

return multicast
