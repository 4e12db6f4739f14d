local skynet = require "skynet"

skynet.start(function()
  skynet.name(".launcher", skynet.launch("snlua", "launcher"))
  skynet.newservice(skynet.getenv "start")
  skynet.exit()
end)
