---@meta skynet.crypt

--- Old algorithms for clients and data that use them; all of them can be broken today. Texts are bytes.
--- Wrong types and sizes raise.
---@class skynet.crypt
local crypt = {}

--- Modes of padding for desencode() and desdecode().
---@type { iso7816_4: 0, pkcs7: 1 }
crypt.padding = {}

--- Two 32-bit hashes of a text.
---@param text string
---@return string key 8 bytes
function crypt.hashkey(text) end

--- From the system's generator.
---@return string key 8 bytes, not all zero
function crypt.randomkey() end

---@param key string 8 bytes
---@param text string
---@param padding (0|1)? one of crypt.padding, iso7816_4 by default
---@return string encrypted a multiple of 8 bytes, longer than the text
function crypt.desencode(key, text, padding) end

--- Raises "Invalid des crypt text" when the size or the padding is wrong.
---@param key string 8 bytes
---@param encrypted string
---@param padding (0|1)? one of crypt.padding, iso7816_4 by default
---@return string text
function crypt.desdecode(key, encrypted, padding) end

---@param x string 8 bytes
---@param y string 8 bytes
---@return string digest 8 bytes
function crypt.hmac64(x, y) end

---@param x string 8 bytes
---@param y string 8 bytes
---@return string digest 8 bytes
function crypt.hmac64_md5(x, y) end

--- hmac64(hashkey(text), key)
---@param key string 8 bytes
---@param text string
---@return string digest 8 bytes
function crypt.hmac_hash(key, text) end

--- 5^secret modulo 2^64 - 59: what the other side may know. Zero raises.
---@param secret string 8 bytes, little-endian
---@return string public 8 bytes
function crypt.dhexchange(secret) end

--- public^secret modulo 2^64 - 59: what both sides know. Zero raises.
---@param public string 8 bytes, the other side's
---@param secret string 8 bytes, one's own
---@return string shared 8 bytes
function crypt.dhsecret(public, secret) end

---@param bytes string
---@return string text
function crypt.base64encode(bytes) end

--- Skips what is not of the alphabet; '=' at the end may be missing. Raises "Invalid base64 text" for '='
--- elsewhere, a lone last character, and bits behind the last byte.
---@param text string
---@return string bytes
function crypt.base64decode(text) end

---@param bytes string
---@return string text lower case
function crypt.hexencode(bytes) end

--- Raises when the text is anything but pairs of digits.
---@param text string
---@return string bytes
function crypt.hexdecode(text) end

---@param text string
---@return string digest 20 bytes
function crypt.sha1(text) end

---@param key string of any size
---@param text string
---@return string digest 20 bytes
function crypt.hmac_sha1(key, text) end

--- An empty key raises.
---@param text string
---@param key string is repeated
---@return string
function crypt.xor_str(text, key) end

return crypt
