-- Tables that skynet.datasheet.builder gives a name and all services of the node read. They follow the updates by
-- themselves.

local skynet = require "skynet"
local service = require "skynet.service"
local shared_reader = require "skyloom.shared_reader"

local datasheet = {}
local address

--- The service begins with the first builder of the node.
local function call(...)
  address = address or service.query "datasheet"
  return skynet.call(address, "lua", ...)
end

local reader = shared_reader {
  query = function(name) return call("query", name) end,
  monitor = function(name, number) return call("monitor", name, number) end,
  confirm = function() end,  -- the service keeps the newest version only; who reads an old one keeps it
}

--- The table of that name. Waits for the first builder; raises when there is no such table. A part of it
--- that an update takes away raises when it is read.
---@param name string
---@return table
function datasheet.query(name)
  return reader.query(name)
end

return datasheet
