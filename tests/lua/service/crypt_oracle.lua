-- What skynet.crypt and md5.core make of the lines `key text` (hexadecimal, `-` for nothing) of the file
-- `oracle_input`: one line of `name=result` words per line, into the file `oracle_output`.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local md5 = require "md5.core"

local hex = crypt.hexencode

local function bytes(word) return word == "-" and "" or crypt.hexdecode(word) end

local function results(key, text)
  local iso, pkcs = crypt.desencode(key, text), crypt.desencode(key, text, crypt.padding.pkcs7)
  assert(crypt.desdecode(key, iso) == text and crypt.desdecode(key, pkcs, crypt.padding.pkcs7) == text)
  local base64 = crypt.base64encode(text)
  assert(crypt.base64decode(base64) == text)
  local encrypted = md5.crypt(text, key)
  assert(md5.decrypt(encrypted, key) == text)
  local head = (text .. "12345678"):sub(1, 8)
  return {
    sha1 = hex(crypt.sha1(text)), hmac_sha1 = hex(crypt.hmac_sha1(key, text)),
    long_key = hex(crypt.hmac_sha1(text, key)), md5 = hex(md5.sum(text)), base64 = hex(base64),
    iso = hex(iso), pkcs = hex(pkcs), hashkey = hex(crypt.hashkey(text)),
    hmac64 = hex(crypt.hmac64(head, key)), hmac64_md5 = hex(crypt.hmac64_md5(head, key)),
    hmac_hash = hex(crypt.hmac_hash(key, text)), dhexchange = hex(crypt.dhexchange(key)),
    dhsecret = hex(crypt.dhsecret(head, key)), xor = hex(crypt.xor_str(text, key)),
    encrypted = hex(encrypted),
  }
end

skynet.start(function()
  local output <close> = assert(io.open(skynet.getenv "oracle_output", "w"))
  for line in io.lines(skynet.getenv "oracle_input") do
    local key, text = line:match "(%S+) (%S+)"
    local words = {}
    for name, result in pairs(results(bytes(key), bytes(text))) do
      words[#words + 1] = name .. "=" .. result
    end
    output:write(table.concat(words, " "), "\n")
  end
  output:close()
  skynet.error "the oracle has spoken"
end)
