-- How two nodes of a cluster prove to each other that they know the same secret (the key
-- `cluster_secret`), before the first request of a connection. Ours, and off without the key: a node
-- without it does not answer the first packet, or does not know its type.
--
--   caller to callee   0x05, 16 random bytes
--   callee to caller   a whole answer (type 1) of session 0: a packed string of 16 random bytes and
--                      proof "callee" (bare random bytes could look like a packed pointer)
--   caller to callee   0x06, proof "caller"
--
-- A proof is the HMAC-SHA1 by the secret of its name and both random texts, so that none can be used
-- twice or sent back. It says who is there; it does not hide or protect what is said afterwards.
local skynet = require "skynet"
local crypt = require "skynet.crypt"

local CHANCE_BYTES = 16

local secret = {}

local function proof_of(key, side, caller_chance, callee_chance)
  return crypt.hmac_sha1(key, side .. caller_chance .. callee_chance)
end

---Compares without telling by its time where two texts differ.
local function is_same(one, other)
  local key = crypt.randomkey()
  return crypt.hmac_sha1(key, one) == crypt.hmac_sha1(key, other)
end

---@return string chance bytes that nobody can guess
function secret.chance()
  return crypt.randomkey() .. crypt.randomkey()
end

---@param body string of a packet
---@return string packet
local function framed(body)
  return string.pack(">s2", body)
end

---The caller's first packet.
---@param chance string
---@return string packet
function secret.hello(chance)
  return framed("\5" .. chance)
end

---The caller's answer to what the callee said; nil: that one does not know the secret.
---@param key string
---@param chance string the caller's
---@param reply string
---@return string? packet
function secret.answer(key, chance, reply)
  local is_packed, text = pcall(skynet.unpack, reply)
  if not is_packed or type(text) ~= "string" then return nil end
  local callee_chance, proof = text:sub(1, CHANCE_BYTES), text:sub(CHANCE_BYTES + 1)
  if not is_same(proof, proof_of(key, "callee", chance, callee_chance)) then return nil end
  return framed("\6" .. proof_of(key, "caller", chance, callee_chance))
end

---What the callee says to the caller's first packet, and what it then expects; nil: it is no such packet.
---@param key string
---@param packet string
---@return string? reply
---@return string? expected the caller's second packet
function secret.welcome(key, packet)
  if #packet ~= 1 + CHANCE_BYTES or packet:byte() ~= 5 then return nil end
  local caller_chance, chance = packet:sub(2), secret.chance()
  local reply = skynet.packstring(chance .. proof_of(key, "callee", caller_chance, chance))
  return reply, "\6" .. proof_of(key, "caller", caller_chance, chance)
end

secret.is_same = is_same

return secret
