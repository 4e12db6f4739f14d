-- One service writes a value of a sproto type, others read its versions (skynet.stm). For values that change often;
-- each reader decodes a copy.

local stm = require "skynet.stm"
local sprotoloader = require "sprotoloader"

local TYPES_SLOT = 0

local sharemap = {}
local types

local function load_types()
  types = types or sprotoloader.load(TYPES_SLOT)
  return types
end

--- Reads the schema of the types that are shared, once per node, into slot 0 of sprotoloader.
---@param file string a file of sproto text
function sharemap.register(file)
  sprotoloader.register(file, TYPES_SLOT)
end

---@class skynet.sharemap.writer its fields are those of the value
---@field commit fun(self: skynet.sharemap.writer) publishes the fields as they are now
---@field copy fun(self: skynet.sharemap.writer): lightuserdata for one reader

--- Shares a value. Raises for fields that the type cannot hold.
---@param typename string
---@param value table? the writer afterwards
---@return skynet.sharemap.writer
function sharemap.writer(typename, value)
  value = value or {}
  local schema = load_types()
  local versions = stm.new(schema:encode(typename, value))
  local methods = {}
  function methods:commit() versions(schema:encode(typename, self)) end
  function methods:copy() return stm.copy(versions) end
  return setmetatable(value, { __index = methods })
end

---@class skynet.sharemap.reader its fields are those of the value
---@field update fun(self: skynet.sharemap.reader): boolean whether there was a version that it had not read

--- Reads a value. What update() reads takes the place of all fields.
---@param typename string
---@param copy lightuserdata of a writer's copy(), good for one reader
---@return skynet.sharemap.reader
function sharemap.reader(typename, copy)
  local schema = load_types()
  local versions = stm.newcopy(copy)
  local function decode(msg, sz) return schema:decode(typename, msg, sz) end
  local methods = {}
  function methods:update()
    local is_new, fields = versions(decode)
    if not is_new then return false end
    for key in pairs(self) do self[key] = nil end
    for key, field in pairs(fields) do self[key] = field end
    return true
  end
  local reader = setmetatable({}, { __index = methods })
  reader:update()
  return reader
end

return sharemap
