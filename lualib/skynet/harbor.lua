-- Names that every node of a harbor network knows. With harbor 0 the network is this node.
local skynet = require "skynet"

---@class skynet.harbor
local harbor = {}

---Gives a service a global name (no leading dot, at most 15 bytes).
---@param name string
---@param handle integer? default: this service
function harbor.globalname(name, handle)
  skynet.send(".cslave", "lua", "REGISTER", name, handle or skynet.self())
end

---The handle of a global name; waits until somebody has it.
---@param name string
---@return integer handle
function harbor.queryname(name)
  return skynet.call(".cslave", "lua", "QUERYNAME", name)
end

---Returns when node `id` goes down.
---@param id integer
function harbor.link(id)
  skynet.call(".cslave", "lua", "LINK", id)
end

---Returns when node `id` is connected.
---@param id integer
function harbor.connect(id)
  skynet.call(".cslave", "lua", "CONNECT", id)
end

---Returns when the master is lost.
function harbor.linkmaster()
  skynet.call(".cslave", "lua", "LINKMASTER")
end

return harbor
