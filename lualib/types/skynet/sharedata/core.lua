---@meta skynet.sharedata.core

--- Shared tables by number. A number is a light userdata: of a shared table, or of a table inside of one. One that
--- somebody made up, or whose table was deleted, raises.
---@class skynet.sharedata.core
local core = {}

--- Shares a copy of the table, without references. Raises for functions, userdata, threads, tables as keys, cycles,
--- more than 200 tables in each other, and when 65,536 tables are shared already.
---@param value table
---@return lightuserdata object
function core.new(value) end

--- The number finds nothing from now on; boxes keep what they have.
---@param object lightuserdata
function core.delete(object) end

--- Tells readers that there is a newer version.
---@param object lightuserdata
function core.markdirty(object) end

---@param object lightuserdata
---@return boolean
function core.isdirty(object) end

---@param object lightuserdata
---@return integer references
function core.getref(object) end

---@param object lightuserdata
---@return integer references
function core.incref(object) end

---@param object lightuserdata
---@return integer references
function core.decref(object) end

--- A userdata that keeps the table, as one reference.
---@param object lightuserdata
---@return userdata box
function core.box(object) end

--- The value of a key, nil if there is none; a table is given as its number.
---@param object lightuserdata
---@param key any
---@return any
function core.index(object, key) end

--- The key behind `key`, or the first; nil at the end. Raises for a key that is not there.
---@param object lightuserdata
---@param key any?
---@return any
function core.nextkey(object, key) end

---@param object lightuserdata
---@return integer count as `#` gives it
function core.len(object) end

---@param object lightuserdata
---@return integer count of the keys that `#` does not count
function core.hashlen(object) end

--- Gives a box what needupdate() tells.
---@param box userdata
---@param object lightuserdata the newer version
---@param value table
function core.update(box, object, value) end

--- Nothing unless the box's table is dirty and update() gave it a newer one.
---@param box userdata
---@return lightuserdata? object, table? value
function core.needupdate(box) end

return core
