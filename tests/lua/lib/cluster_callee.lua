-- What the services that nodes call in the tests of the cluster can do.
local skynet = require "skynet"
local manager = require "skynet.manager"

local command = {}

function command.echo(...) return ... end
function command.text(bytes) return ("0123456789"):rep(bytes // 10 + 1):sub(1, bytes) end
function command.size(text) return #text end
function command.fail() error "as you wish" end
function command.pointer()
  local block, size = skynet.pack "of no use elsewhere"
  skynet.fork(skynet.trash, block, size)
  return block, size
end
function command.never() skynet.wait() end
function command.port() return skynet.getenv "cluster_port" end
function command.note(...)
  skynet.error("noted", ...)
end

function command.kill_agents()
  for address, text in pairs(skynet.call(".launcher", "lua", "LIST")) do
    if text:find "^snlua clusteragent" then manager.kill(address) end
  end
end

local kept = {}
function command.keep(value) kept[#kept + 1] = value end
function command.kept_count() return #kept end
function command.kept()
  local values = kept
  kept = {}
  return values
end

return function()
  skynet.dispatch("lua", function(session, _, name, ...)
    if session == 0 then return command[name](...) end
    skynet.retpack(command[name](...))
  end)
end
