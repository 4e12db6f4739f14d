-- A service whose code comes with its first message: `init code args...` (contract 4.7).
local skynet = require "skynet"

local name = ...

---Runs the code as a service script: what it gives to skynet.start() runs when its main part has ended.
local function init(code, ...)
  local start = skynet.start
  local on_start
  skynet.start = function(f) on_start = f end
  local main = assert(load(code, name))
  main(...)
  skynet.start = start
  if on_start then on_start() end
end

local is_started = false

skynet.start(function()
  skynet.dispatch("lua", function(_, _, command, ...)
    if command ~= "init" or is_started then
      error(("service_cell %s: cannot do %q, only one init"):format(name, tostring(command)))
    end
    is_started = true
    init(...) -- the code sets a dispatch of its own
    skynet.retpack()
  end)
end)
