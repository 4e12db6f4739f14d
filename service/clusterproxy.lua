-- Stands for a service of another node (contract 4.11). Arguments: the node, the service's name or handle.
local skynet = require "skynet"
require "skynet.manager"

local node, address = ...
address = math.tointeger(tonumber(address)) or address

skynet.register_protocol {
  name = "system",
  id = skynet.PTYPE_SYSTEM,
  unpack = function(msg, size) return msg, size end,
}

-- Requests keep their blocks: they are handed on, not copied.
skynet.forward_type({
  [skynet.PTYPE_LUA] = skynet.PTYPE_SYSTEM,
  [skynet.PTYPE_SNAX] = skynet.PTYPE_SYSTEM,
}, function()
  local clusterd = skynet.uniqueservice "clusterd"
  local sender = skynet.call(clusterd, "lua", "sender", node)

  -- The sender has ended: another one for the block that it did not get.
  local function renew(msg, size)
    local is_reached, newer = pcall(skynet.call, clusterd, "lua", "sender", node)
    if not is_reached then
      skynet.trash(msg, size)
      error(newer, 0)
    end
    sender = newer
  end

  local function ask(msg, size)
    return pcall(skynet.rawcall, sender, "lua", skynet.pack("req", address, msg, size))
  end

  skynet.dispatch("system", function(session, _, msg, size)
    if session == 0 then
      if skynet.send(sender, "lua", "push", address, msg, size) then return end
      renew(msg, size)
      skynet.send(sender, "lua", "push", address, msg, size)
      return
    end
    local is_done, answer, bytes = ask(msg, size)
    if not is_done and tostring(answer):find("call to invalid address", 1, true) then
      renew(msg, size)
      is_done, answer, bytes = ask(msg, size)
    end
    if not is_done then error(answer, 0) end
    skynet.ret(skynet.tostring(answer, bytes))
  end)
end)
