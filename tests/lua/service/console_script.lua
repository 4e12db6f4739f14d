-- A node with a debug console and services to look at.
local skynet = require "skynet"
require "skynet.manager"

skynet.start(function()
  local echo = skynet.newservice("echo", "watched")
  skynet.name(".echo", echo)
  skynet.newservice("debug_console", skynet.getenv "console_arguments" or "0")
  skynet.error(string.format("console script: echo is %s", skynet.address(echo)))
end)
