---@meta skynet.datasheet.core

--- Shared tables that are made of documents (skynet.datasheet.dump, or of the builder of Skynet).
---@class skynet.datasheet.core
local core = {}

--- A read-only table. Raises for a number that is none.
---@param pointer lightuserdata
---@return table
function core.new(pointer) end

--- Lets the table, and the parts of it that are in use, read another one.
---@param sheet table
---@param pointer lightuserdata
function core.update(sheet, pointer) end

--- Shares the table of a document. Raises for bytes that are none.
---@param document string
---@return lightuserdata pointer
function core.stringpointer(document) end

return core
