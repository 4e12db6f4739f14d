---@meta skyloom.resp

--- Requests to a Redis server, and its replies in RESP2. Ours; skynet.db.redis stands on it.
---@class skyloom.resp
local resp = {}

--- A request. Arguments are strings, numbers, booleans or what has __tostring; nils at the end are left out.
---@param name string
---@param ... any arguments, or one list of them
---@return string request
function resp.command(name, ...) end

--- Many requests in one string.
---@param commands any[][] each {name, argument ...}
---@return string requests
function resp.commands(commands) end

--- CRC-16/XMODEM.
---@param text string
---@return integer
function resp.crc16(text) end

---@class skyloom.resp.parser
local parser = {}

---@return skyloom.resp.parser
function resp.parser() end

--- What has come, whole or in pieces.
---@param bytes string
function parser:feed(bytes) end

--- The next reply; nothing when it is not whole yet. Raises for what is no RESP2, from then on always.
---@return boolean? is_ok false: an error, or an array that has one
---@return any value
---@return integer? unread bytes behind it
function parser:next() end

--- Passes over replies.
---@param count integer
---@return integer skipped
function parser:skip(count) end

--- Appends {ok = boolean, out = value} for each reply.
---@param results table
---@param count integer at most
---@return integer collected
function parser:collect(results, count) end

---@return integer bytes that are there and not read
function parser:size() end

return resp
