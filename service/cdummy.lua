-- `.cslave` of a node without a network, or alone in its network: keeps global names for this node.

local skynet = require "skynet"
require "skynet.manager"

local names = {}  -- global name -> handle
local queries = {}  -- global name -> responses of those who wait for it
local endless = {}  -- responses that nothing but our end can send
local command = {}
local harbor

skynet.register_protocol {
  name = "harbor",
  id = skynet.PTYPE_HARBOR,
  pack = function(text) return text end,
  unpack = skynet.tostring,
}

-- Reports of the harbor service: every name is known here at once, and no link can go down.
skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  unpack = skynet.tostring,
  dispatch = function() end,
}

function command.REGISTER(session, name, handle)
  if names[name] then
    error(string.format("global name %s is taken by %s", name, skynet.address(names[name])))
  end
  names[name] = handle
  for _, response in ipairs(queries[name] or {}) do
    response(true, handle)
  end
  queries[name] = nil
  skynet.redirect(harbor, handle, "harbor", 0, "N " .. name)
  if session ~= 0 then skynet.ret() end
end

function command.QUERYNAME(_, name)
  if string.sub(name, 1, 1) == "." then
    skynet.retpack(skynet.localname(name))
  elseif names[name] then
    skynet.retpack(names[name])
  else
    queries[name] = queries[name] or {}
    table.insert(queries[name], skynet.response())
  end
end

--- Answered when the other node goes down: here all of them are.
function command.LINK()
  skynet.ret()
end

function command.CONNECT(_, id)
  error(string.format("Can't connect to node %s: this node is alone", id))
end

--- Answered when the master is lost: here it goes with this service.
function command.LINKMASTER()
  table.insert(endless, skynet.response())
end

skynet.dispatch("lua", function(session, _, name, ...)
  local run = command[name] or error(string.format("cdummy: unknown command %s", name))
  run(session, ...)
end)

skynet.start(function()
  harbor = skynet.launch("harbor", skynet.getenv "harbor" or 0, skynet.self())
    or error("cdummy: service harbor does not start")
end)
