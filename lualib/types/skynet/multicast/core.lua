---@meta skynet.multicast.core

--- Messages that several services read without copies. A package travels as 8 bytes, which are its number.
---@class skynet.multicast.core
local core = {}

--- Raises when 1,048,576 packages are under way. The block is taken over.
---@param msg lightuserdata
---@param sz integer
---@return lightuserdata letter, integer size
function core.pack(msg, sz) end

--- The same with a copy of the bytes.
---@param msg lightuserdata
---@param sz integer
---@return lightuserdata letter, integer size
function core.packremote(msg, sz) end

--- The bytes are there until close(package).
---@param letter lightuserdata|string what came in a message, or what bind() gave
---@param size integer? of the former
---@return lightuserdata package, lightuserdata msg, integer sz
function core.unpack(letter, size) end

--- How often the package will be closed. The letter is freed; one that pack() has not made is refused.
---@param letter lightuserdata
---@param references integer
---@return lightuserdata package, string letter for the messages to its readers
function core.bind(letter, references) end

---@param package lightuserdata
function core.close(package) end

--- A copy of the bytes, for a message. Letter and package are freed.
---@param letter lightuserdata
---@return lightuserdata msg, integer sz
function core.remote(letter) end

--- The channel number behind `channel`, of the same harbor.
---@param channel integer
---@return integer
function core.nextid(channel) end

return core
