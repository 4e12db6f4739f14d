---@meta md5.core

--- MD5, and a stream cipher made of it. Broken long ago; for what is stored. Texts are bytes.
---@class md5.core
local core = {}

---@param text string
---@return string digest 16 bytes
function core.sum(text) end

--- Raises "lengths must be equal".
---@param a string
---@param b string
---@return string
function core.exor(a, b) end

---@param text string
---@param key string at most 256 bytes
---@param seed string? at most 16 bytes; 16 random ones by default
---@return string encrypted begins with the seed
function core.crypt(text, key, seed) end

--- Raises "invalid cyphered string" when there is no whole seed.
---@param encrypted string
---@param key string
---@return string text
function core.decrypt(encrypted, key) end

return core
