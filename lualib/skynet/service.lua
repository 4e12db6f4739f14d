-- Services whose code is a function of another service, each once per node.
local skynet = require "skynet"

---@class skynet.service
local service = {}

local provider

local function call_provider(...)
  provider = provider or skynet.uniqueservice "service_provider"
  return skynet.call(provider, "lua", ...)
end

---The code of `f`, which another Lua state can run: it must not use local variables from around it.
local function code_of(name, f)
  local i = 1
  local upvalue = debug.getupvalue(f, i)
  while upvalue do
    if upvalue ~= "_ENV" then
      error(("service.new(%q): the function uses the local variable %q of its surroundings"):format(name, upvalue), 3)
    end
    i = i + 1
    upvalue = debug.getupvalue(f, i)
  end
  return string.dump(f)
end

---Starts the service `name` with f(...), or finds it. Who comes while it starts waits for it.
---Raises when the start fails.
---@param name string
---@param f function runs as a service script; its only upvalue may be `_ENV`
---@param ... any serializable
---@return integer handle
function service.new(name, f, ...)
  local code = code_of(name, f)
  local handle, is_starting = call_provider("test", name)
  if handle then return handle end
  if is_starting then return call_provider("query", name) end
  return call_provider("launch", name, code, ...)
end

---The handle of the service `name`; waits until somebody starts it.
---@param name string
---@return integer handle
function service.query(name)
  return call_provider("query", name)
end

---Ends the service `name`.
---@param name string
---@return boolean was_there
function service.close(name)
  local handle = call_provider("close", name)
  if not handle then return false end
  require("skynet.manager").kill(handle)
  return true
end

return service
