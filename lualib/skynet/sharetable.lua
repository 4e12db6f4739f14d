-- Read-only tables that all services of the node read without copies. They are proxies (docs/reference/shared-tables.md):
-- index, `#`, pairs, ipairs, table.unpack and table.concat work; next() does, too, once this module is loaded.

local skynet = require "skynet"
local service = require "skynet.service"
local core = require "skynet.sharetable.core"
local sharedata = require "skynet.sharedata.core"
local shared = require "skyloom.shared"

local sharetable = {}
local address

-- Lua's own does not ask a metatable, and `next(t) == nil` is how programs see that a table is empty.
_G.next = shared.next

local function run_service()
  local skynet = require "skynet"
  local core = require "skynet.sharetable.core"
  local matrices = {}
  local command = {}

  local function put(name, matrix)
    local old = matrices[name]
    matrices[name] = matrix
    if old then old:close() end
  end

  function command.loadfile(name, ...) put(name, core.matrix("@" .. name, ...)) end
  function command.loadstring(name, source, ...) put(name, core.matrix(source, ...)) end
  function command.loadtable(name, number) put(name, core.matrix(number)) end
  function command.query(name)
    local matrix = matrices[name]
    return matrix and matrix:getptr()
  end
  function command.queryall(names)
    local numbers = {}
    if names then
      for _, name in ipairs(names) do numbers[name] = command.query(name) end
    else
      for name, matrix in pairs(matrices) do numbers[name] = matrix:getptr() end
    end
    return numbers
  end
  --- A service uses none of its tables any more: what services hold is counted without us.
  function command.close() end

  skynet.start(function()
    skynet.dispatch("lua", function(session, _, name, ...)
      local run = command[name] or error(string.format("sharetable: unknown command %s", tostring(name)), 0)
      local result = run(...)
      if session ~= 0 then skynet.retpack(result) end
    end)
  end)
end

skynet.init(function() address = service.new("sharetable", run_service) end)

local newest = setmetatable({}, { __mode = "v" })  -- name -> the table that query() gave last
local numbers = {}  -- name -> its version
local roots = {}  -- name -> set of all that are in use

--- nil: there is no such version any more.
local function table_of(name, number)
  if newest[name] and numbers[name] == number then return newest[name] end
  local object = shared.open(number)
  if not object then return nil end
  newest[name], numbers[name] = object, number
  roots[name] = roots[name] or setmetatable({}, { __mode = "k" })
  roots[name][object] = true
  return object
end

--- Shares the table that a file gives back, under the name of the file.
---@param filename string
---@param ... any arguments of the file
function sharetable.loadfile(filename, ...)
  skynet.call(address, "lua", "loadfile", filename, ...)
end

--- Shares the table that a piece of Lua gives back.
---@param name string
---@param source string
---@param ... any arguments of the source
function sharetable.loadstring(name, source, ...)
  skynet.call(address, "lua", "loadstring", name, source, ...)
end

--- Shares a copy of the table. Raises for what cannot be shared: functions, userdata, cycles.
---@param name string
---@param value table
function sharetable.loadtable(name, value)
  if type(value) ~= "table" then error("sharetable.loadtable: not a table but a " .. type(value), 2) end
  local number = sharedata.new(shared.copy(value))
  local is_done, err = pcall(skynet.call, address, "lua", "loadtable", name, number)
  if is_done then return end
  sharedata.delete(number)
  error(err, 0)
end

--- The newest version of the table; nil if there is none.
---@param name string
---@return table?
function sharetable.query(name)
  local last
  repeat
    local number = skynet.call(address, "lua", "query", name)
    if not number then return nil end
    local object = table_of(name, number)
    if object then return object end
    -- A version that is gone has a newer one, unless somebody else has deleted it.
    if number == last then error(string.format("sharetable: %q has been deleted", name), 2) end
    last = number
  until false
end

--- The newest versions of those tables, or of all.
---@param list string[]?
---@return table<string, table>
function sharetable.queryall(list)
  local result = {}
  for name, number in pairs(skynet.call(address, "lua", "queryall", list)) do
    result[name] = table_of(name, number) or sharetable.query(name)
  end
  return result
end

--- Lets the tables of these names that this service has got, and the parts of them that it uses, read the newest
--- version. A part that is not there any more keeps what it was.
---@param ... string
function sharetable.update(...)
  for _, name in ipairs { ... } do
    local objects = {}  -- while we wait for a number, others may add to the set
    for object in pairs(roots[name] or {}) do objects[#objects + 1] = object end
    local number = objects[1] and skynet.call(address, "lua", "query", name)
    for _, object in ipairs(objects) do
      while number and not shared.move(object, number, true) do
        local last = number
        number = skynet.call(address, "lua", "query", name)
        if number == last then error(string.format("sharetable: %q has been deleted", name), 2) end
      end
      if number then newest[name], numbers[name] = object, number end
    end
  end
end

--- Whether a value is one of them, or a part of one.
sharetable.is_sharedtable = core.is_sharedtable

return sharetable
