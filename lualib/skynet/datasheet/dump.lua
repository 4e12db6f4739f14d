-- Tables of skynet.datasheet as strings: documents. They are serialised values (skynet.packstring).

local skynet = require "skynet"
local shared = require "skyloom.shared"

local dump = {}

--- The document of a table. Raises for values that cannot be serialised, and above 32 tables in each other.
---@param value table
---@return string
function dump.dump(value)
  if type(value) ~= "table" then error("datasheet: not a table but a " .. type(value), 2) end
  return skynet.packstring(shared.copy(value))
end

--- The table of a document.
---@param document string
---@return table
function dump.undump(document)
  local value = skynet.unpack(document)
  if type(value) ~= "table" then error("datasheet: this is no document", 2) end
  return value
end

local function rest_of(old, new)
  local changed, gone = {}, {}
  for key, value in pairs(new) do
    local before = old[key]
    if type(value) == "table" and type(before) == "table" then
      local part = rest_of(before, value)
      if part then changed[key] = part end
    elseif before ~= value or math.type(before) ~= math.type(value) then
      changed[key] = { value = value }
    end
  end
  for key in pairs(old) do
    if new[key] == nil then gone[#gone + 1] = key end
  end
  if not next(changed) and not gone[1] then return nil end
  return { changed = changed, gone = gone }
end

--- What makes `current` of `last`, both documents: nil if they are the same; else, for each key that differs,
--- `changed[key]` is `{value = new}` or the same again for a table, and `gone` lists the keys that are not there
--- any more.
---@param last string
---@param current string
---@return table?
function dump.diff(last, current)
  return rest_of(dump.undump(last), dump.undump(current))
end

return dump
