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
  skynet.dispatch("system", function(session, _, msg, size)
    if session == 0 then
      skynet.send(sender, "lua", "push", address, msg, size)
    else
      local answer, bytes = skynet.rawcall(sender, "lua", skynet.pack("req", address, msg, size))
      skynet.ret(skynet.tostring(answer, bytes))
    end
  end)
end)
