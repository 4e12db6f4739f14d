-- The channels of skynet.multicast. A channel belongs to the node whose harbor is its low byte; the multicastd of
-- another node subscribes there when it has a subscriber of its own (contract 4.8).

local skynet = require "skynet"
local core = require "skynet.multicast.core"
local is_alive = require "skyloom.scheduler".is_alive
local datacenter = require "skynet.datacenter"

local harbor = skynet.harbor(skynet.self())
local last_channel = harbor
local groups = {}   -- channel -> set of local subscribers; of our own channels each has one
local counts = {}   -- channel -> how many
local remotes = {}  -- our own channel -> set of the multicastds that subscribe
local nodes = {}    -- harbor -> multicastd
local command = {}

local function is_ours(channel)
  return channel & 0xff == harbor
end

local function owner_of(channel)
  local number = channel & 0xff
  nodes[number] = nodes[number] or datacenter.get("multicast", number)
    or error(string.format("multicast: node %d of channel %d has no multicastd", number, channel), 0)
  return nodes[number]
end

local function check_channel(channel)
  if math.type(channel) ~= "integer" or channel <= 0 or channel > 0x7fffffff then
    error(string.format("multicast: a channel is an integer from 1 to 2147483647, not %s", tostring(channel)), 0)
  end
end

local function leave(channel, handle)
  local group = groups[channel]
  if not group or not group[handle] then return end
  group[handle] = nil
  counts[channel] = counts[channel] - 1
  if counts[channel] > 0 or is_ours(channel) then return end
  groups[channel], counts[channel] = nil, nil
  skynet.send(owner_of(channel), "lua", "USUBR", channel)
end

--- What cannot be delivered gives its reference back. Who is gone leaves; a mailbox may be full for a while only.
local function publish_here(channel, source, id, letter)
  for handle in pairs(groups[channel] or {}) do
    if not skynet.redirect(handle, source, "multicast", channel, letter) then
      core.close(id)
      if not is_alive(handle) then leave(channel, handle) end
    end
  end
end

local function publish_there(channel, source, letter)
  local id, msg, sz = core.unpack(letter)
  local bytes = skynet.tostring(msg, sz)
  for multicastd in pairs(remotes[channel]) do
    skynet.redirect(multicastd, source, "multicast", channel, bytes)
  end
  core.close(id)
end

--- One reference for each subscriber, and one for the way to other nodes. `package` is looked up, not read: whoever
--- sends PUB can invent it.
local function publish(channel, source, package)
  local count = counts[channel] or 0
  local id, letter = core.bind(package, count + (remotes[channel] and 1 or 0))
  if remotes[channel] then publish_there(channel, source, letter) end
  publish_here(channel, source, id, letter)
end

function command.NEW()
  for _ = 1, 0x800000 do
    last_channel = core.nextid(last_channel)
    if last_channel ~= harbor and not groups[last_channel] then
      groups[last_channel], counts[last_channel] = {}, 0
      return last_channel
    end
  end
  error("multicast: all channels are in use", 0)
end

function command.DEL(_, channel)
  if not is_ours(channel) then
    skynet.send(owner_of(channel), "lua", "DEL", channel)
    return
  end
  for multicastd in pairs(remotes[channel] or {}) do skynet.send(multicastd, "lua", "DELR", channel) end
  groups[channel], counts[channel], remotes[channel] = nil, nil, nil
end

function command.DELR(_, channel)
  if is_ours(channel) then return end
  groups[channel], counts[channel] = nil, nil
end

function command.SUB(source, channel)
  if not groups[channel] then
    if is_ours(channel) or skynet.call(owner_of(channel), "lua", "SUBR", channel) then
      error(string.format("multicast: there is no channel %d", channel), 0)
    end
    if not groups[channel] then groups[channel], counts[channel] = {}, 0 end
  end
  if groups[channel][source] then return end
  groups[channel][source] = true
  counts[channel] = counts[channel] + 1
end

function command.USUB(source, channel)
  leave(channel, source)
end

function command.SUBR(source, channel)
  if not is_ours(channel) or not groups[channel] then return true end
  remotes[channel] = remotes[channel] or {}
  remotes[channel][source] = true
end

function command.USUBR(source, channel)
  local set = remotes[channel]
  if not set then return end
  set[source] = nil
  if not next(set) then remotes[channel] = nil end
end

function command.PUB(source, channel, package)
  if is_ours(channel) then return publish(channel, source, package) end
  skynet.redirect(owner_of(channel), source, "multicast", channel, core.remote(package))
end

local without_answer = { DEL = true, DELR = true, USUB = true, USUBR = true }

-- From the multicastd of another node: the owner of a channel gives it to the others.
skynet.register_protocol {
  name = "multicast",
  id = skynet.PTYPE_MULTICAST,
  unpack = function(msg, sz) return msg, sz end,
  dispatch = function(channel, source, msg, sz)
    skynet.ignoreret()  -- whatever fails: the session is no request's
    publish(channel, source, (core.packremote(msg, sz)))
  end,
}

skynet.start(function()
  skynet.dispatch("lua", function(_, source, name, channel, ...)
    local run = command[name] or error(string.format("multicast: unknown command %s", tostring(name)), 0)
    if name ~= "NEW" then check_channel(channel) end
    local result = run(source, channel, ...)
    if without_answer[name] then
      skynet.ignoreret()
    else
      skynet.retpack(result)
    end
  end)
  datacenter.set("multicast", harbor, skynet.self())
end)
