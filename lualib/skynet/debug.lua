-- The debug protocol of a service (PTYPE_DEBUG): what consoles and the launcher ask it. Loaded with the
-- first such message; what is rarely asked is loaded when it is.

local skynet = require "skynet"

local M = {}

local command = {}
local links = {}  -- answered by our end

function command.MEM()
  skynet.retpack(collectgarbage "count")
end

function command.GC(session)
  local before, start = collectgarbage "count", skynet.hpc()
  collectgarbage "collect"
  skynet.error(string.format("GC %.2f Kb -> %.2f Kb, cost %.2f sec",
    before, collectgarbage "count", (skynet.hpc() - start) / 1e9))
  if session ~= 0 then skynet.ret() end
end

function command.STAT()
  skynet.retpack {
    task = skynet.task(),
    mqlen = skynet.stat "mqlen",
    cpu = skynet.stat "cpu",
    message = skynet.stat "message",
  }
end

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

function command.PING()
  skynet.ret()
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

--- Handles one message of the protocol.
---@param session integer 0: no answer is wanted
---@param _ integer handle of who asks
---@param name string the command
---@param ... any its arguments
function M.dispatch(session, _, name, ...)
  local run = command[name]
  if not run then
    error(string.format("Invalid debug command %s", name), 0)
  end
  return run(session, ...)
end

--- Adds a command, or replaces one. It answers with skynet.ret or skynet.retpack.
---@param name string
---@param f fun(...: any) gets the arguments of the command
function M.reg_debugcmd(name, f)
  command[name] = function(_, ...) return f(...) end
end

return M
