-- Keeps everybody who calls `wait` until `open`; `count` tells how many wait.
local skynet = require "skynet"
require "skynet.manager"
local waiting = {}
local command = {}

function command.wait()
  waiting[#waiting + 1] = skynet.response()
end

function command.open()
  for _, response in ipairs(waiting) do response(true) end
  waiting = {}
  skynet.retpack(true)
end

function command.count()
  skynet.retpack(#waiting)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...) command[name](...) end)
  skynet.register ".gatekeeper"
end)
