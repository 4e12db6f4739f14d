-- A login server whose users do as they are called.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local login = require "snax.loginserver"

local entering

login {
  host = "127.0.0.1",
  port = 0,
  instance = 2,
  name = "login_probe",
  multilogin = skynet.getenv "multilogin" == "true",
  refuse_old = skynet.getenv "login_refuse_old" == "true",
  key = skynet.getenv "login_key" and crypt.hexdecode(skynet.getenv "login_key"),
  auth_handler = function(token)
    if token == "nobody" then return nil end
    return "server", token
  end,
  login_handler = function(_, uid, secret)
    assert(#secret == 8 or #secret == 32)
    skynet.error(("%s enters with %s"):format(uid, crypt.hexencode(secret)))
    if uid == "banned" then error "he may not" end
    if uid == "slow" then
      skynet.error "slow is entering"
      entering = coroutine.running()
      skynet.wait(entering)
    elseif uid == "release" then
      skynet.wakeup(entering)
    end
    return 42
  end,
  command_handler = function(...) return ... end,
}
