-- What is rarely asked of the debug protocol (skynet.debug): loaded with the first such message.

local skynet = require "skynet"

local command = {}
local links = {}  -- answered by our end

function command.TASK(_, session)
  if session then return skynet.retpack(skynet.task(session)) end
  local tasks = {}
  skynet.task(tasks)
  skynet.retpack(tasks)
end

function command.UNIQTASK()
  skynet.retpack(skynet.uniqtask())
end

function command.KILLTASK(_, name)
  local thread = skynet.killthread(name)
  if thread then
    skynet.error(string.format("Kill %s", thread))
    skynet.ret()
  else
    skynet.retpack "Not found"
  end
end

function command.INFO(_, ...)
  local info = require("skyloom.scheduler").info_func
  skynet.retpack(info and info(...))
end

function command.EXIT()
  skynet.exit()
end

function command.RUN(_, source, filename, ...)
  local inject = require "skynet.inject"
  local is_done, output = inject(source, filename, ...)
  collectgarbage "collect"
  skynet.retpack(is_done, table.concat(output, "\n"))
end

function command.TERM(session, handle)
  skynet.term(handle)
  if session ~= 0 then skynet.ret() end
end

function command.REMOTEDEBUG(_, fd, channel)
  local remotedebug = require "skynet.remotedebug"
  remotedebug.start(fd, channel)
  skynet.ret()
end

function command.SUPPORT(_, name)
  local protocol = require("skyloom.scheduler").protocols()[name]
  skynet.retpack(protocol ~= nil and protocol.dispatch ~= nil)
end

function command.LINK()
  links[#links + 1] = skynet.response()
end

function command.TRACELOG(session, protocol, flag)
  if type(protocol) ~= "string" then
    protocol, flag = "lua", protocol
  end
  skynet.error(string.format("Turn trace log %s for %s", flag, protocol))
  skynet.traceproto(protocol, flag)
  if session ~= 0 then skynet.ret() end
end

return command
