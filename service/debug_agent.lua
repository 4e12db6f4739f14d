-- Between a debug console and the service that it debugs: keeps the channel of their commands.

local skynet = require "skynet"
local debugchannel = require "skynet.debugchannel"

local command = {}
local channel

--- Answers when the debugger has left the service: true, or false and the reason.
function command.start(address, fd)
  local handle
  channel, handle = debugchannel.create()
  local is_done, reason = pcall(skynet.call, address, "debug", "REMOTEDEBUG", fd, handle)
  skynet.retpack(is_done, not is_done and "Debugger attach failed: " .. tostring(reason) or nil)
  skynet.exit()
end

function command.cmd(line)
  channel:write(line)
end

--- Tells who calls that we still live.
function command.ping()
  skynet.ret()
end

skynet.dispatch("lua", function(_, _, name, ...)
  local run = command[name] or error(string.format("debug_agent: unknown command %s", name))
  run(...)
end)

skynet.start(function() end)
