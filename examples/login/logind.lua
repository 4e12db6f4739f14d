-- The login server. A token is base64(user)@base64(server):base64(password); the password is "password".
local skynet = require "skynet"
local login = require "snax.loginserver"
local crypt = require "skynet.crypt"

local gates = {}  -- by the name of their server
local online = {} -- by user: gate, subid, server

---@type loginserver.conf
local server = {
  host = skynet.getenv "login_host",
  port = skynet.getenv "login_port",
  instance = 2,
  multilogin = false, -- a user who logs in twice at once is refused
  name = "login_master",
}

function server.auth_handler(token)
  local user, server_name, password = token:match "^([^@]+)@([^:]+):(.+)$"
  assert(user, "the token should be user@server:password")
  assert(crypt.base64decode(password) == "password", "wrong password")
  return crypt.base64decode(server_name), crypt.base64decode(user)
end

function server.login_handler(server_name, user, secret)
  local gate = assert(gates[server_name], "there is no such server")
  local last = online[user]
  if last then
    skynet.call(last.gate, "lua", "kick", user, last.subid)
    assert(not online[user], "the user is still on another server")
  end
  local subid = skynet.call(gate, "lua", "login", user, secret)
  online[user] = { gate = gate, subid = subid, server = server_name }
  skynet.error(("%s@%s is logged in (%s)"):format(user, server_name, subid))
  return subid
end

local command = {}

function command.register_gate(name, gate)
  gates[name] = gate
end

function command.logout(user)
  local last = online[user]
  if not last then return end
  online[user] = nil
  skynet.error(("%s@%s is logged out"):format(user, last.server))
end

function server.command_handler(name, ...)
  local f = command[name] or error(("logind: unknown command %s"):format(name))
  return f(...)
end

login(server)
