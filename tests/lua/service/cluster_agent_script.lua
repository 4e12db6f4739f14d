-- An agent of a connection between us, who are its clusterd and its gate. We answer nothing: the connection ends
-- while the agent asks who a name is. A block that a coroutine has is freed by nobody when the service ends; the
-- leak sanitizer sees it.
local skynet = require "skynet"
local core = require "skynet.cluster.core"
local check = require "check"
local test = check.test

local FD = 99
local questions = {} -- by agent

skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT }

local function end_while_it_asks(bytes)
  local agent = skynet.newservice("clusteragent", skynet.self(), skynet.self(), FD)
  local packet, _, parts = core.packrequest("@somebody", 1, skynet.pack(("x"):rep(bytes)))
  for _, each in ipairs { packet, table.unpack(parts or {}) } do
    skynet.redirect(agent, 0, "client", FD, each:sub(3)) -- without its length
  end
  check.wait_until(function() return questions[agent] end)
  skynet.send(agent, "lua", "exit")
  check.wait_until(function() return not pcall(skynet.call, agent, "debug", "PING") end)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, source, name)
    if name == "forward" then return skynet.ret() end
    if name == "queryname" then questions[source] = skynet.response() end
  end)
  test("a request that waits for a name ends with its connection", function() end_while_it_asks(10) end)
  test("so does a large one", function() end_while_it_asks(100000) end)
  check.done()
end)
