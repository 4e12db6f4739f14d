-- Values that all services of the network share, kept by the service DATACENTER.

local skynet = require "skynet"

local datacenter = {}

--- The value at the path, nil if there is none.
---@param ... any keys
---@return any
function datacenter.get(...)
  return skynet.call("DATACENTER", "lua", "QUERY", ...)
end

--- Sets the value at the path (all arguments but the last), makes the branches above it.
---@param ... any keys, then the value
---@return any old the value before
function datacenter.set(...)
  return skynet.call("DATACENTER", "lua", "UPDATE", ...)
end

--- The value at the path; waits until there is one. Raises when the path becomes a branch meanwhile.
---@param ... any keys
---@return any
function datacenter.wait(...)
  return skynet.call("DATACENTER", "lua", "WAIT", ...)
end

return datacenter
