---@meta skyloom.dns

--- DNS packets. Ours; skynet.dns stands on it.
---@class skyloom.dns
local dns = {}

---@param text string
---@return boolean is_name whether query() takes it
function dns.is_name(text) end

---@param text string
---@return 4|6|nil family of a numeric address
---@return string? usual how it is usually written
function dns.family(text) end

---@param name string
---@param kind "A"|"AAAA"
---@return string packet
---@return integer id random
function dns.query(name, kind) end

--- "foreign", "broken", "truncated"; "refused", code; "no name" or "no address", seconds; "alias", seconds, name;
--- "addresses", seconds, list.
---@param packet string
---@param id integer of the query, as name and kind
---@param name string
---@param kind "A"|"AAAA"
---@return string verdict, integer? seconds_or_code, string|string[]|nil found
function dns.read(packet, id, name, kind) end

return dns
