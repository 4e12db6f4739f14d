-- The debug protocol of a service (PTYPE_DEBUG): what consoles and the launcher ask it. A look at all services
-- loads this into each: it is small, and the rest is in skyloom.debug_commands.

local skynet = require "skynet"

local M = {}

local command = {}  -- name -> function(session, ...)

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
  local stat = { task = require("skyloom.scheduler").task_count() }
  for _, figure in ipairs { "mqlen", "cpu", "message" } do
    stat[figure] = skynet.stat(figure)
  end
  skynet.retpack(stat)
end

function command.PING()
  skynet.ret()
end

--- Handles one message of the protocol.
---@param session integer 0: no answer is wanted
---@param _ integer handle of who asks
---@param name string the command
---@param ... any its arguments
function M.dispatch(session, _, name, ...)
  local run = command[name] or require("skyloom.debug_commands")[name]
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
