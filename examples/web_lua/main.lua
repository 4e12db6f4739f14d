-- A web service: this service accepts, a few agents answer.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
  local agents = {}
  for i = 1, tonumber(skynet.getenv "web_agents") do agents[i] = skynet.newservice "web_agent" end
  local id, address, port = socket.listen(skynet.getenv "web_host", tonumber(skynet.getenv "web_port"))
  local last = 0
  socket.start(id, function(client)
    last = last % #agents + 1
    skynet.send(agents[last], "lua", client)
  end)
  skynet.error(("web on %s:%d"):format(address, port))
end)
