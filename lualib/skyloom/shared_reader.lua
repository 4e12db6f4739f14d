-- What skynet.sharedata and skynet.datasheet have in common: tables by name, each followed to its newer
-- versions as long as somebody uses it.

local skynet = require "skynet"
local shared = require "skyloom.shared"

---@class skyloom.shared_source the service that has the tables; numbers are versions
---@field query fun(name: string): lightuserdata raises for an unknown name
---@field monitor fun(name: string, number: lightuserdata): lightuserdata? waits for a version other than that; nil: deleted
---@field confirm fun(number: lightuserdata) a number that query or monitor gave is not needed any more

---@class skyloom.shared_reader
---@field query fun(name: string): table
---@field flush fun() what was read of all tables is forgotten

---@param source skyloom.shared_source
---@return skyloom.shared_reader
return function(source)
  local tables = setmetatable({}, { __mode = "v" })
  local watched = {}  -- name -> true while a coroutine waits for the next version

  local function follow(name, number)
    local gone
    while true do
      local newer = source.monitor(name, number)
      local object = tables[name]
      if not newer then
        tables[name] = nil
        return
      end
      -- A version that is gone already leaves `number` as it is: the next answer comes at once.
      local is_moved = object and shared.move(object, newer)
      source.confirm(newer)
      if is_moved then
        number = newer
      elseif newer == gone then
        error("somebody has deleted it", 0)
      end
      gone = newer
      if not object then return end
    end
  end

  local function watch(name, number)
    if watched[name] then return end
    watched[name] = true
    skynet.fork(function()
      local is_done, err = pcall(follow, name, number)
      watched[name] = nil
      if not is_done then skynet.error(string.format("%s is not followed any more: %s", name, err)) end
    end)
  end

  local reader = {}

  function reader.query(name)
    local last
    while not tables[name] do
      local number = source.query(name)
      -- A version that is gone has a newer one, unless somebody else has deleted it.
      if number == last then error(string.format("%s has been deleted", name), 0) end
      last = number
      -- Another coroutine may have been faster; a version may be gone already.
      local object = tables[name] or shared.open(number)
      source.confirm(number)
      if object then
        tables[name] = object
        watch(name, number)
        return object
      end
    end
    return tables[name]
  end

  function reader.flush()
    for _, object in pairs(tables) do shared.flush(object) end
    collectgarbage()
  end

  return reader
end
