-- A snax service whose messages wait for each other in a queue, and that ends itself.
local skynet = require "skynet"
local snax = require "skynet.snax"
local queue = require "skynet.queue"

local enter
local steps = {}
local watcher

function accept.sleep(name, time_cs)
  enter(function()
    steps[#steps + 1] = name .. " begins"
    skynet.sleep(time_cs)
    steps[#steps + 1] = name .. " ends"
  end)
end

function accept.hello(name)
  enter(function() steps[#steps + 1] = name end)
end

function accept.exit(...)
  snax.exit(...)
end

function response.ping(...)
  skynet.sleep(1)
  return ...
end

function response.steps()
  return enter(function() return steps end)
end

function response.error()
  error "asked to fail"
end

function init(address)
  watcher = address
  enter = queue()
end

function exit(...)
  skynet.send(watcher, "lua", "left", ...)
end
