-- Tables that one service gives a name and all services of the node read, updated for all of them. What is
-- read is a read-only table: index, `#`, pairs and ipairs work, next() and rawget() find nothing.

local skynet = require "skynet"
local host = require "skynet.sharedata.corelib".host
local shared = require "skyloom.shared"
local shared_reader = require "skyloom.shared_reader"

local sharedata = {}
local service

skynet.init(function() service = skynet.uniqueservice "sharedatad" end)

local reader = shared_reader {
  query = function(name) return skynet.call(service, "lua", "query", name) end,
  monitor = function(name, number) return skynet.call(service, "lua", "monitor", name, number) end,
  confirm = function(number) skynet.send(service, "lua", "confirm", number) end,
}

--- A table goes as a number: it is copied once, here.
local function hand_over(command, name, value, ...)
  if type(value) ~= "table" then return skynet.call(service, "lua", command, name, value, ...) end
  local number = host.new(shared.copy(value))
  local is_done, err = pcall(skynet.call, service, "lua", command, name, number)
  if not is_done then
    host.delete(number)
    error(err, 0)
  end
end

--- The table of that name; it follows the updates. Raises when there is none. A part of it that an update
--- takes away raises when it is read.
---@param name string
---@return table
function sharedata.query(name)
  return reader.query(name)
end

--- Shares a new table. Raises when the name is taken, or for what cannot be shared.
---@param name string
---@param value table|string? Lua source or "@file", whose globals or result are shared; nil: an empty table
---@param ... any arguments of the source
function sharedata.new(name, value, ...)
  hand_over("new", name, value, ...)
end

--- Gives the name a new value, as sharedata.new(). Readers see it soon. What fails leaves the old one.
---@param name string
---@param value table|string?
---@param ... any
function sharedata.update(name, value, ...)
  hand_over("update", name, value, ...)
end

--- Takes the name away. Who reads the table keeps it.
---@param name string
function sharedata.delete(name)
  skynet.call(service, "lua", "delete", name)
end

--- Forgets what this service has read: memory for time.
function sharedata.flush()
  reader.flush()
end

--- A plain Lua copy of the value at the path; nil if there is none.
---@param name string
---@param ... any keys
---@return any
function sharedata.deepcopy(name, ...)
  local value = reader.query(name)
  for i = 1, select("#", ...) do
    if type(value) ~= "table" then return nil end
    value = value[(select(i, ...))]
  end
  return shared.copy(value)
end

return sharedata
