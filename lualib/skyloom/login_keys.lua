-- What both sides of a current login compute (docs/guide/login.md has the bytes, docs/adr/0037 the
-- reasons). For nodes and, with client.crypt, for plain Lua.
local crypt = require "client.crypt"

local KEY_BYTES = 32
local NONCE = ("\0"):rep(12) -- each key is for one message
local INFO = "skyloom login"

---@class skyloom.login_keys
---@field proof string the server's, that it has the same keys
---@field client string for what the client says
---@field server string for what the server says
---@field secret string what both sides have from now on
local M = {}

local function decode(text, what)
  local bytes = crypt.base64decode(text)
  if #bytes ~= KEY_BYTES then error(("%s of %d bytes instead of %d"):format(what, #bytes, KEY_BYTES), 0) end
  return bytes
end

---HKDF-SHA256 (RFC 5869) of the shared secrets, salted with every line so far: who changes one gets other keys.
---@return skyloom.login_keys
local function keys_of(shared, ...)
  local key = crypt.hmac_sha256(table.concat({ ... }, "\n"), shared)
  local keys, block = {}, ""
  for i, name in ipairs { "proof", "client", "server", "secret" } do
    block = crypt.hmac_sha256(key, block .. INFO .. string.char(i))
    keys[name] = block
  end
  return keys
end

---The server's part. Raises a text when the line is wrong.
---@param challenge string the server's line
---@param hello string the client's
---@param server_key string? the server's own secret, of 32 bytes
---@return skyloom.login_keys
---@return string line for the client
function M.accept(challenge, hello, server_key)
  local public, wanted = hello:match "^x25519 ([%w+/=]+)$"
  if not public then public, wanted = hello:match "^x25519 ([%w+/=]+) ([%w+/=]+)$" end
  if not public then error("an x25519 line that is not one or two keys", 0) end
  local peer = decode(public, "a client key")
  local own = crypt.random(KEY_BYTES)
  local shared = crypt.x25519(own, peer)
  if wanted then
    if not server_key or decode(wanted, "a server key") ~= crypt.x25519(server_key) then
      error("the client wants a server with another key", 0)
    end
    shared = shared .. crypt.x25519(server_key, peer)
  end
  local answer = crypt.base64encode(crypt.x25519(own))
  local keys = keys_of(shared, challenge, hello, answer)
  return keys, answer .. " " .. crypt.base64encode(keys.proof)
end

---The client's part: its line, and a function that makes the keys of the server's next line, or raises a text.
---@param challenge string the server's line
---@param server_key string? the server's public key, of 32 bytes, when the client knows it
---@return string hello
---@return fun(line: string): skyloom.login_keys
function M.greet(challenge, server_key)
  local own = crypt.random(KEY_BYTES)
  local hello = "x25519 " .. crypt.base64encode(crypt.x25519(own))
  if server_key then hello = hello .. " " .. crypt.base64encode(server_key) end
  return hello, function(line)
    local public, proof = line:match "^([%w+/=]+) ([%w+/=]+)$"
    if not public then error(("the server does not speak x25519: %s"):format(line), 0) end
    local shared = crypt.x25519(own, decode(public, "a server key"))
    if server_key then shared = shared .. crypt.x25519(own, server_key) end
    local keys = keys_of(shared, challenge, hello, public)
    -- The keys are for this connection only: how long a comparison takes helps nobody.
    if crypt.base64decode(proof) ~= keys.proof then
      error("the server is another one, or somebody has changed a line", 0)
    end
    return keys
  end
end

---@param key string
---@param text string
---@return string line
function M.seal(key, text)
  return crypt.base64encode(crypt.seal(key, NONCE, text))
end

---Raises when the line is not as the other side has made it.
---@param key string
---@param line string
---@return string text
function M.unseal(key, line)
  return crypt.unseal(key, NONCE, crypt.base64decode(line))
end

return M
