---@meta sproto.core

--- Schemas, messages and packing of sproto. A schema and a type of it are light userdata that hold
--- numbers: every service of the node may use them, and an invented one raises.
---@class sproto.core
local core = {}

---@alias sproto.schema lightuserdata
---@alias sproto.type lightuserdata a null pointer: of a response without content

--- A schema from a bundle of `sprotoparser.parse`. It lives until deleteproto().
---@param bundle string
---@return sproto.schema?
---@return string? why a bundle that is none, or no memory
function core.newproto(bundle) end

--- Messages that are encoded just now are finished. What lies in a slot stays there.
---@param schema sproto.schema
function core.deleteproto(schema) end

--- One line for each type, field and protocol.
---@param schema sproto.schema
---@return string
function core.dumpproto(schema) end

--- The bundle of a schema text. Raises `syntax error at [name] line (n): ...`
---@param text string at most 4 MiB
---@param name string? what errors call the text
---@return string bundle
function core.compile(text, name) end

---@param schema sproto.schema
---@param name string
---@return sproto.type?
function core.querytype(schema, name) end

--- Nothing when there is no such protocol.
---@param schema sproto.schema
---@param protocol string|integer
---@return integer|string? tag_or_name, sproto.type? request, sproto.type? response
function core.protocol(schema, protocol) end

--- Raises for values that do not have the field's type, for more than 64 tables inside of each other,
--- and beyond 256 MiB.
---@param type sproto.type
---@param value table|userdata
---@return string message
function core.encode(type, value) end

--- Raises `decode error` when no whole message is at the start.
---@param type sproto.type
---@param message string|lightuserdata a pointer is followed by its size
---@param ... any the size; a table that is filled instead of a new one
---@return table value, integer bytes that the message took
function core.decode(type, message, ...) end

--- A table with 0, false, "", {} for each field, and `{ __type = name }` for a struct.
---@param type sproto.type
---@return table
function core.default(type) end

--- Lets other services load it.
---@param schema sproto.schema
---@param slot integer 0 to 15
function core.saveproto(schema, slot) end

--- Raises `nil sproto at index n` for an empty slot.
---@param slot integer 0 to 15
---@return sproto.schema
function core.loadproto(slot) end

---@param message string|lightuserdata a pointer is followed by its size
---@param size integer?
---@return string packed
function core.pack(message, size) end

--- Raises `Invalid unpack stream`.
---@param packed string|lightuserdata a pointer is followed by its size
---@param size integer?
---@return string message up to seven zeros are behind it
function core.unpack(packed, size) end

return core
