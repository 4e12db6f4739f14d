-- A login server whose users do as they are called.
local skynet = require "skynet"
local login = require "snax.loginserver"

local entering

login {
  host = "127.0.0.1",
  port = 0,
  instance = 2,
  name = "login_probe",
  multilogin = skynet.getenv "multilogin" == "true",
  auth_handler = function(token)
    if token == "nobody" then return nil end
    return "server", token
  end,
  login_handler = function(_, uid, secret)
    assert(#secret == 8)
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
