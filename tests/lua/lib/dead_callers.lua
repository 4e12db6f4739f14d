-- What it costs a service that callers were killed while they waited for its answer.
local skynet = require "skynet"
local manager = require "skynet.manager"

local COUNT = 10000

local function kilobytes(address)
  skynet.call(address, "debug", "GC")
  return skynet.call(address, "debug", "MEM")
end

---@param address integer|string
---@param arguments fun(number: integer): ... of each request
---@return number kilobytes that are not given back
return function(address, arguments)
  local dead = skynet.newservice "echo"
  manager.kill(dead)
  local before = kilobytes(address)
  for i = 1, COUNT do
    skynet.redirect(address, dead, "lua", i, skynet.packstring(arguments(i)))
    if i % 1000 == 0 then skynet.call(address, "debug", "PING") end
  end
  return kilobytes(address) - before
end
