-- The node `db`: exports a service, and calls back whoever asks for it.
local skynet = require "skynet"
local cluster = require "skynet.cluster"

local values = {}
local command = {}

function command.set(key, value)
  local old = values[key]
  values[key] = value
  return old
end

function command.get(key) return values[key] end

-- Tells a service of another node; it calls back while it is called.
function command.ask(node, name, ...)
  return cluster.call(node, name, ...)
end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    local f = command[name] or error(("db: unknown command %s"):format(name))
    if session == 0 then return f(...) end
    skynet.retpack(f(...))
  end)
  cluster.register "store"
  cluster.open "db"
  skynet.error "db is open"
end)
