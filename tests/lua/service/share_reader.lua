-- The other side of share_script: reads what is shared there, on a worker of its own.
local skynet = require "skynet"
local sharedata = require "skynet.sharedata"
local sharetable = require "skynet.sharetable"
local datasheet = require "skynet.datasheet"
local multicast = require "skynet.multicast"

local libraries = { sharedata = sharedata, sharetable = sharetable, datasheet = datasheet }
local objects = {}
local command = {}
local channel
local received = {}
local map

function command.open(kind, name, ...)
  local object = libraries[kind].query(name)
  for _, key in ipairs { ... } do object = object[key] end
  objects[#objects + 1] = object
  return #objects
end

function command.read(number, ...)
  local value = objects[number]
  for _, key in ipairs { ... } do value = value[key] end
  return value
end

function command.length(number) return #objects[number] end

function command.update(name) sharetable.update(name) end

--- Reads until `last` comes; each version must be whole and none older than the one before.
function command.read_rising(number, last)
  local object, before, reads = objects[number], 0, 0
  while before < last do
    local version = object.version
    assert(object.copy[1] == version and version >= before, "a torn or an old version")
    before, reads = version, reads + 1
    -- A race detector loses some of its stack with each yield, and is slow: it must not yield without end.
    if reads < 1000 then skynet.yield() else skynet.sleep(1) end
  end
  return before
end

function command.subscribe(id)
  channel = multicast.new {
    channel = id,
    dispatch = function(_, source, ...) received[#received + 1] = { source, ... } end,
  }
  channel:subscribe()
end

function command.unsubscribe() channel:unsubscribe() end

local function fields_of_map()
  local fields = {}
  for key, value in pairs(map) do fields[key] = value end
  return fields
end

function command.open_map(typename, copy)
  map = require("skynet.sharemap").reader(typename, copy)
  return fields_of_map()
end

function command.update_map() return map:update(), fields_of_map() end

--- A version of sharedata that is not confirmed.
function command.take(name) return skynet.call(skynet.uniqueservice "sharedatad", "lua", "query", name) end

function command.collect() collectgarbage() end

function command.received() return received end

function command.exit() skynet.exit() end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    if session == 0 then return command[name](...) end
    skynet.retpack(command[name](...))
  end)
end)
