---@meta skyloom.shared

--- Reads the tables of skynet.sharedata.core: what our modules for shared tables stand on.
---@class skyloom.shared
local shared = {}

--- A read-only table; nil when the number has no table any more.
---@param number lightuserdata
---@return table?
function shared.open(number) end

--- Lets a table of open() and all parts of it that are in use read another version. A part that the version has not
--- raises when it is read, or stays what it was (`keeps`). False: the number has no table any more.
---@param object table
---@param number lightuserdata
---@param keeps boolean?
---@return boolean
function shared.move(object, number, keeps) end

--- Forgets what was read: memory for time.
---@param object table
function shared.flush(object) end

---@param value any
---@return boolean
function shared.is_shared(value) end

--- A plain copy of a shared table or a part of it; anything else as it is.
---@param value any
---@return any
function shared.copy(value) end

--- Lua's next(), for shared tables, too.
---@param object table
---@param key any?
---@return any key, any value
function shared.next(object, key) end

return shared
