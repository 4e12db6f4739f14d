-- The message server. Each user has an agent, from his login to his logout.
local skynet = require "skynet"
local msgserver = require "snax.msgserver"

local login = tonumber(...)

local server_name
local last_id = 0
local users = {} -- by user
local user_of = {} -- by username

local server = {}

-- From the login server: the user may connect.
function server.login_handler(name, secret)
  if users[name] then error(("%s is logged in already"):format(name)) end
  last_id = last_id + 1
  local id = tostring(last_id) -- another username each time
  local username = msgserver.username(name, id, server_name)
  local user = { name = name, id = id, username = username, agent = skynet.newservice "msgagent" }
  skynet.call(user.agent, "lua", "start", skynet.self(), name, id)
  users[name], user_of[username] = user, user
  msgserver.login(username, secret)
  return id
end

-- From the agent: the user wants no more.
function server.logout_handler(name, id)
  local user = users[name]
  if not user or user.id ~= id then return end
  msgserver.logout(user.username)
  users[name], user_of[user.username] = nil, nil
  skynet.call(login, "lua", "logout", name)
end

-- From the login server: the user logs in again.
function server.kick_handler(name, id)
  local user = users[name]
  if user and user.id == id then pcall(skynet.call, user.agent, "lua", "logout") end
end

-- The connection is lost; its user may come back.
function server.disconnect_handler(username)
  local user = user_of[username]
  if user then skynet.send(user.agent, "lua", "lost") end
end

function server.request_handler(username, payload)
  local user = user_of[username]
  return skynet.tostring(skynet.rawcall(user.agent, "client", payload))
end

function server.register_handler(name)
  server_name = name
  skynet.call(login, "lua", "register_gate", name, skynet.self())
end

msgserver.start(server)
