---@meta skynet.netpack

--- Frames behind a 2-byte big-endian length, out of the events of many sockets.
---@class skynet.netpack
local netpack = {}

--- Takes an event. `queue` is nil at first, and what the last call returned from then on.
---@param queue userdata?
---@param msg lightuserdata
---@param sz integer
---@return userdata? queue
---@return "data"|"more"|"open"|"close"|"error"|"warning"|"init"|nil event nil: a frame that is not whole
---@return ... "data": id, block, size; "open": id, address; "close": id; "error": id, text; "warning": id, KiB;
---"init": id, address, port; "more": fetch them with pop()
function netpack.filter(queue, msg, sz) end

---@param queue userdata?
---@return integer? id, lightuserdata block, integer size
function netpack.pop(queue) end

--- Raises beyond 65,535 bytes.
---@param msg string|lightuserdata
---@param sz integer?
---@return lightuserdata block, integer size
function netpack.pack(msg, sz) end

--- Frees the block.
---@param block lightuserdata
---@param size integer
---@return string
function netpack.tostring(block, size) end

---@param queue userdata?
function netpack.clear(queue) end

return netpack
