---@meta skynet.cluster.core

--- The packets between the nodes of a cluster. Wrong types, sizes and packets raise.
---@class skynet.cluster.core
local core = {}

--- A request. A block is taken, whatever comes of it.
---@param addr integer|string handle, or a name of 1 to 255 bytes
---@param session integer 1 to 2^31-1
---@param msg lightuserdata|string packed arguments
---@param sz integer?
---@return string packet
---@return integer next_session
---@return string[]? parts to be sent behind it, when the arguments have 32 KiB or more
function core.packrequest(addr, session, msg, sz) end

--- The same for a request that nobody answers.
---@param addr integer|string
---@param session integer
---@param msg lightuserdata|string
---@param sz integer?
---@return string packet, integer next_session, string[]? parts
function core.packpush(addr, session, msg, sz) end

---@param tag string of the next request
---@return string packet
function core.packtrace(tag) end

--- Reads a packet without its two bytes of length.
---
--- A request: address, session, block, size (of a push the session 0, and then false, true). Arguments that hold a
--- pointer: nil, 0 in place of the block. One that comes in parts: address, session, nil, total size, true, is it a
--- push. A part: false, session, block, size, do more follow. A trace: the tag. The caller owns the block.
---@param packet lightuserdata|string
---@param sz integer?
---@return integer|string|false addr
---@return integer? session
---@return lightuserdata? msg
---@return integer? sz
---@return boolean? padding
---@return boolean? is_push
function core.unpackrequest(packet, sz) end

--- Collects what comes in parts: first nil and the announced size, then each part, whose block is taken. Raises
--- "more bytes than were announced", and leaves the table as it was.
---@param parts table
---@param msg lightuserdata?
---@param sz integer
function core.append(parts, msg, sz) end

--- One block of the size and the parts in a table; nothing when they are not as many bytes as announced, or hold a
--- pointer. The caller owns the block.
---@param parts table
---@return lightuserdata? msg, integer? sz
function core.concat(parts) end

--- An answer. The block stays the caller's: it may be one of rawcall().
---@param session integer
---@param ok boolean false: the bytes are the text of an error
---@param msg lightuserdata|string|nil
---@param sz integer?
---@return string|string[] packet several when the result has more than 32 KiB
function core.packresponse(session, ok, msg, sz) end

--- Reads an answer without its two bytes of length.
---@param packet string
---@return integer session
---@return boolean ok
---@return string|integer data the result, the error's text, a part, or the total size of what comes in parts
---@return true? padding more follows
function core.unpackresponse(packet) end

---@param addr any
---@return boolean is_name "@..."
function core.isname(addr) end

---@return string name of this process in the network, for traces
function core.nodename() end

return core
