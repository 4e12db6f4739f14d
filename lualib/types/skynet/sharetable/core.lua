---@meta skynet.sharetable.core

--- Shared tables that are read as tables.
---@class skynet.sharetable.core
local core = {}

--- Keeps a table shared until it is closed or collected.
---@class skynet.sharetable.matrix
---@field close fun(self: skynet.sharetable.matrix)
---@field getptr fun(self: skynet.sharetable.matrix): lightuserdata the number for clone()
---@field size fun(self: skynet.sharetable.matrix): integer bytes

--- Shares the table that a chunk gives back. The chunk's globals are its own.
---@param source string|lightuserdata Lua source, "@file", or a number of skynet.sharedata.core, which is taken over
---@param ... any arguments of the chunk
---@return skynet.sharetable.matrix
function core.matrix(source, ...) end

--- A read-only table. Raises for a number that is none, or whose matrix is closed.
---@param pointer lightuserdata
---@return table
function core.clone(pointer) end

--- Copies the values of the functions that are active in a coroutine to t[1] ... t[n].
---@param co thread
---@param t table
---@return integer n
function core.stackvalues(co, t) end

---@param value any
---@return boolean
function core.is_sharedtable(value) end

return core
