-- Numbers, times and switches of the configuration, as services read them.
local skynet = require "skynet"

local UNITS = { [""] = 1, k = 1 << 10, M = 1 << 20, G = 1 << 30 }

local setting = {}

---A whole number of 0 or more. Raises when the key has something else.
---@param key string
---@param default integer
---@return integer
function setting.number(key, default)
  local text = skynet.getenv(key)
  if not text then return default end
  local number = math.tointeger(tonumber(text))
  if number and number >= 0 then return number end
  error(("the key %s is %q: it should be a whole number, 0 or more"):format(key, text), 0)
end

---A time: the key has milliseconds, rounded up. Raises when it has something else.
---@param key string
---@param default_ms integer
---@return integer cs
function setting.cs(key, default_ms)
  return (setting.number(key, default_ms) + 9) // 10
end

---Bytes; a suffix k, M or G multiplies them by powers of 1024. Raises when the key has something else.
---@param key string
---@param default integer
---@return integer
function setting.bytes(key, default)
  local text = skynet.getenv(key)
  if not text then return default end
  local digits, unit = text:match "^(%d+)([kMG]?)$"
  local number = math.tointeger(tonumber(digits))
  if number and number <= math.maxinteger // UNITS[unit] then return number * UNITS[unit] end
  error(("the key %s is %q: it should be a number of bytes, such as 4096 or 64M"):format(key, text), 0)
end

---True or false. Raises when the key has something else.
---@param key string
---@return boolean
function setting.switch(key)
  local text = skynet.getenv(key) or "false"
  if text == "true" or text == "false" then return text == "true" end
  error(("the key %s is %q: it should be true or false"):format(key, text), 0)
end

return setting
