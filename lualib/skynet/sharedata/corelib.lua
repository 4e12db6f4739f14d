-- Shared tables by number, without the service: what sharedatad and its users do with them.

local core = require "skynet.sharedata.core"
local shared = require "skyloom.shared"

local conf = {
  ---@class skynet.sharedata.host for who has the tables: see skynet.sharedata.core
  host = {
    new = core.new,
    delete = core.delete,
    getref = core.getref,
    markdirty = core.markdirty,
    incref = core.incref,
    decref = core.decref,
  },
}

--- A table that reads what the number stands for. Raises when there is no such table.
---@param number lightuserdata
---@return table
function conf.box(number)
  return shared.open(number) or error("no shared table, or one that was deleted", 2)
end

--- Lets it, and all parts of it that are in use, read another version.
---@param object table
---@param number lightuserdata
function conf.update(object, number)
  if not shared.move(object, number) then error("no shared table, or one that was deleted", 2) end
end

--- Forgets what was read.
---@param object table
function conf.flush(object)
  shared.flush(object)
end

--- A plain copy of the value at the path; nil if there is none.
---@param number lightuserdata
---@param ... any keys
---@return any
function conf.copy(number, ...)
  local value = conf.box(number)
  for i = 1, select("#", ...) do
    if type(value) ~= "table" then return nil end
    value = value[(select(i, ...))]
  end
  return shared.copy(value)
end

return conf
