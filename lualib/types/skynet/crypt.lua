---@meta skynet.crypt

--- Old algorithms for clients and data that use them, all of which can be broken today; and current ones: random,
--- x25519, sha256, hmac_sha256, seal and unseal. Those but random raise in a build without TLS. Texts are bytes.
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

--- From the system's generator.
---@param size integer 0 to 1048576
---@return string bytes
function crypt.random(size) end

--- The public key of a secret one (any 32 bytes); with the other side's public key what both sides share (RFC 7748).
--- Raises "Invalid x25519 public key" for one with which every secret gives the same.
---@param secret string 32 bytes
---@param public string? 32 bytes, the other side's
---@return string 32 bytes
function crypt.x25519(secret, public) end

---@param text string
---@return string digest 32 bytes
function crypt.sha256(text) end

---@param key string of any size
---@param text string
---@return string digest 32 bytes
function crypt.hmac_sha256(key, text) end

--- ChaCha20-Poly1305 (RFC 8439): hides a text, and protects it and what lies beside against changes. A key must
--- never see the same nonce twice.
---@param key string 32 bytes
---@param nonce string 12 bytes
---@param text string 1 GiB at most
---@param beside string? is protected and not in the result
---@return string sealed 16 bytes longer than the text
function crypt.seal(key, nonce, text, beside) end

--- Raises "Invalid sealed text" when key, nonce, text or what lies beside is another.
---@param key string 32 bytes
---@param nonce string 12 bytes
---@param sealed string
---@param beside string?
---@return string text
function crypt.unseal(key, nonce, sealed, beside) end

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
