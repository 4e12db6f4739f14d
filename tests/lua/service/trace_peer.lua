-- Tells which trace its requests belong to.
local skynet = require "skynet"

local command = {}

function command.tag() return skynet.tracetag() end

function command.trace()
  skynet.trace "asked for"
  return skynet.tracetag()
end

function command.traceproto(flag) skynet.traceproto("lua", flag) end

function command.fail() error "told to fail" end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...) skynet.retpack(command[name](...)) end)
end)
