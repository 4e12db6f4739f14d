---@meta bson

--- BSON documents (bsonspec.org). What Lua has no type for is a string: a zero byte, the BSON type, and
--- the bytes of the value.
---@class bson
local bson = {}

---@type string
bson.null = "\0\10"
---@type string
bson.minkey = "\0\255"
---@type string
bson.maxkey = "\0\127"

--- Its length is #document, its bytes are tostring(document).
---@class bson.document: userdata
local document = {}

--- Raises for values that BSON has none for, text that is not UTF-8, a hole in an array, and more than 128
--- tables inside of each other. Integers of 32 bits are written as such. A table with 1 to #t as its only
--- keys, or with `__len`, is an array; `__pairs` is asked.
---@param value table
---@return bson.document
function bson.encode(value) end

--- The same with keys and values in their order; nil values are left out.
---@param key string
---@param value any
---@param ... any
---@return bson.document
function bson.encode_order(key, value, ...) end

--- Raises for whatever is no document. A pointer without a size is read as far as its own length says.
---@param document bson.document|string|lightuserdata
---@param size integer? of a pointer
---@return table
function bson.decode(document, size) end

---@return table
function document:decode() end

--- Finds the fields, so that `document[key] = value` can replace numbers, booleans, dates, timestamps and
--- object ids by values of the same type.
---@return bson.document
function document:makeindex() end

---@param document bson.document
---@return lightuserdata pointer valid while the document is
function bson.to_lightuserdata(document) end

---@param seconds number since 1970; kept as milliseconds
---@return string
function bson.date(seconds) end

---@param seconds integer
---@param increment integer? another one for each call by default
---@return string
function bson.timestamp(seconds, increment) end

---@param pattern string
---@param options string?
---@return string
function bson.regex(pattern, options) end

---@param bytes string
---@param subtype integer? 0 to 255, 0 by default
---@return string
function bson.binary(bytes, subtype) end

---@param digits string? 24 hexadecimal digits; a new id by default
---@return string
function bson.objectid(digits) end

--- A number that is written with 64 bits.
---@param number integer
---@return string
function bson.int64(number) end

--- The BSON name of a value, and what Lua can do with it: "number", "boolean", "table", "nil", "string" and
--- the value; "date" and seconds, milliseconds; "timestamp" and seconds, increment; "regex" and pattern,
--- options; "binary" and bytes, subtype; "objectid" and its digits; "int64" and the number; "null", "minkey",
--- "maxkey"; "unsupported" and bytes.
---@param value any
---@return string name
---@return any ...
function bson.type(value) end

return bson
