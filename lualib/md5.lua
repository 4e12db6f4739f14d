--- MD5 digests as text, and of a key and a text; and what `md5.core` has.
local core = require "md5.core"

local md5 = {}

for name, f in pairs(core) do
  md5[name] = f
end

---@param text string
---@return string digest 32 hexadecimal digits, lower case
function md5.sumhexa(text)
  return (core.sum(text):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

local BLOCK_BYTES = 64

--- HMAC-MD5 (RFC 2104).
---@param text string
---@param key string
---@return string digest 32 hexadecimal digits, lower case
function md5.hmacmd5(text, key)
  if type(text) ~= "string" then error("md5.hmacmd5: the text is a string, not a " .. type(text), 2) end
  if type(key) ~= "string" then error("md5.hmacmd5: the key is a string, not a " .. type(key), 2) end
  if #key > BLOCK_BYTES then
    key = core.sum(key)
  end
  key = key .. ("\0"):rep(BLOCK_BYTES - #key)
  local inner = core.exor(key, ("\x36"):rep(BLOCK_BYTES))
  local outer = core.exor(key, ("\x5c"):rep(BLOCK_BYTES))
  return md5.sumhexa(outer .. core.sum(inner .. text))
end

return md5
