-- Who is in the room; what one says, all hear.
local skynet = require "skynet"

local agents = {}  -- by name
local name_of = {} -- by agent
local count = 0

local function tell_all(text)
  for _, agent in pairs(agents) do skynet.send(agent, "lua", "hear", text) end
end

local command = {}

-- How many are in the room now; nil when the name is taken.
function command.join(agent, name)
  if agents[name] then return nil end
  tell_all(("* %s comes in"):format(name))
  agents[name], name_of[agent] = agent, name
  count = count + 1
  return count
end

function command.say(agent, text)
  tell_all(("%s: %s"):format(name_of[agent], text))
end

function command.leave(agent)
  local name = name_of[agent]
  if not name then return end
  agents[name], name_of[agent] = nil, nil
  count = count - 1
  tell_all(("* %s has left"):format(name))
end

function command.names()
  local names = {}
  for name in pairs(agents) do names[#names + 1] = name end
  table.sort(names)
  return names
end

skynet.start(function()
  skynet.dispatch("lua", function(_, source, name, ...)
    skynet.retpack(command[name](source, ...))
  end)
end)
