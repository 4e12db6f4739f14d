-- snax: services whose functions are called like methods. `accept.X` of a file is obj.post.X(...) for its
-- users, `response.X` is obj.req.X(...).

local skynet = require "skynet"

local snax = {}
local types = {}  -- name -> {name, system, accept, response}: each name -> number
local objects = setmetatable({}, { __mode = "v" })  -- handle -> object

skynet.register_protocol {
  name = "snax",
  id = skynet.PTYPE_SNAX,
  pack = skynet.pack,
  unpack = skynet.unpack,
}

--- Stands for every module and global while only the names of functions are wanted.
local function make_stub()
  local stub
  local function itself() return stub end
  stub = setmetatable({}, { __index = itself, __call = itself })
  return stub
end

local function globals_for_interface()
  local module = skynet.getenv "snax_interface_g"
  if module then return require(module) end
  local stub = make_stub()
  return setmetatable({ require = function() return stub end }, { __index = _G })
end

--- The numbers of the functions of a snax service, by group and name.
---@param name string
---@return table
function snax.interface(name)
  if types[name] then return types[name] end
  local load_interface = require "snax.interface"
  local interface = { name = name, system = {}, accept = {}, response = {} }
  for number, entry in ipairs((load_interface(name, globals_for_interface()))) do
    interface[entry[2]][entry[3]] = number
  end
  types[name] = interface
  return interface
end

--- A table whose functions are made when they are first asked for.
local function methods(interface, group, make)
  return setmetatable({}, {
    __index = function(self, key)
      local number = interface[group][key]
        or error(string.format("snax service %s has no %s.%s", interface.name, group, key), 2)
      local method = make(number)
      rawset(self, key, method)
      return method
    end,
  })
end

--- The object of a running snax service.
---@param handle integer
---@param name string
---@return table object post, req, handle, type
function snax.bind(handle, name)
  local object = objects[handle]
  if object then
    if object.type ~= name then
      error(string.format("%s is a %s and no %s", skynet.address(handle), object.type, name), 2)
    end
    return object
  end
  local interface = snax.interface(name)
  object = {
    handle = handle,
    type = name,
    post = methods(interface, "accept", function(number)
      return function(...) skynet.send(handle, "snax", number, ...) end
    end),
    req = methods(interface, "response", function(number)
      return function(...) return skynet.call(handle, "snax", number, ...) end
    end),
  }
  objects[handle] = object
  return object
end

--- Starts a snax service: its handle. Raises what keeps it from starting.
---@param name string
---@param ... any arguments of its init function
---@return integer handle
function snax.rawnewservice(name, ...)
  local interface = snax.interface(name)
  local handle = assert(skynet.newservice("snaxd", name), "the snax service exited before it had started")
  objects[handle] = nil
  skynet.call(handle, "snax", interface.system.init, ...)
  return handle
end

--- Starts a snax service: its object.
---@param name string
---@param ... any arguments of its init function
---@return table object
function snax.newservice(name, ...)
  return snax.bind(snax.rawnewservice(name, ...), name)
end

local function from_manager(command, name, ...)
  return snax.bind(assert(skynet.call(".service", "lua", command, "snaxd", name, ...)), name)
end

--- Started once per node.
---@param name string
---@param ... any arguments of its init function
---@return table object
function snax.uniqueservice(name, ...) return from_manager("LAUNCH", name, ...) end

--- Started once per network.
---@param name string
---@param ... any arguments of its init function
---@return table object
function snax.globalservice(name, ...) return from_manager("GLAUNCH", name, ...) end

--- Waits until somebody has started it.
---@param name string
---@return table object
function snax.queryservice(name) return from_manager("QUERY", name) end

--- As queryservice, for the network.
---@param name string
---@return table object
function snax.queryglobal(name) return from_manager("GQUERY", name) end

local function interface_of(object)
  if type(object) ~= "table" or not object.handle then
    error("snax: the object of a service is expected, not " .. tostring(object), 3)
  end
  return snax.interface(object.type)
end

--- Calls the service's exit function, and ends it.
---@param object table
---@param ... any arguments of its exit function
function snax.kill(object, ...)
  local interface = interface_of(object)
  skynet.call(object.handle, "snax", interface.system.exit, ...)
end

--- The object of this service, which must be a snax service.
---@return table object
function snax.self()
  return snax.bind(skynet.self(), SERVICE_NAME)
end

--- Calls this service's own exit function, and ends it.
---@param ... any arguments of its exit function
function snax.exit(...)
  snax.kill(snax.self(), ...)
end

--- Replaces functions of a running service: source text as in its file. What its `hotfix` function returns.
---@param object table
---@param source string
---@param ... any arguments of the function `hotfix` of the source
function snax.hotfix(object, source, ...)
  local interface = interface_of(object)
  return skynet.call(object.handle, "snax", interface.system.hotfix, source, ...)
end

--- Counts and processor time of its functions: name -> {count, time in seconds}.
---@param object table
---@return table<string, {count: integer, time: number}>
function snax.profile_info(object)
  local interface = interface_of(object)
  return skynet.call(object.handle, "snax", interface.system.profile)
end

--- Logs a line, formatted as string.format does.
---@param format string
function snax.printf(format, ...)
  skynet.error(string.format(format, ...))
end

return snax
