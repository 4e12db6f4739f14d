-- Calls a node that the test plays, and logs what comes of it.
local skynet = require "skynet"
local cluster = require "skynet.cluster"

local scenario = {}

local function outcome(name, is_done, ...)
  local text = is_done and skynet.packstring(...):gsub(".", function(c) return ("%02x"):format(c:byte()) end) or "failed"
  skynet.error(("outcome of %s: %s"):format(name, #text > 100 and #text // 2 or text))
end

local function call(name, ...)
  outcome(name, pcall(cluster.call, "peer", ...))
end

function scenario.bytes()
  call("by name", "@echo", 1, "a")
  call("by handle", 0x01020304, "abc", true)
  call("plain name", ".echo")
  cluster.send("peer", "@echo", "pushed")
  call("between", "@echo", 2)
  call("just small", "@echo", ("s"):rep(0x8000 - 1 - 3))
  call("just large", "@echo", ("l"):rep(0x8000 - 3))
  call("large", 7, ("L"):rep(100000))
  cluster.send("peer", "@echo", ("P"):rep(70000))
  outcome("query", pcall(cluster.query, "peer", "sdb"))
end

-- The name says what the peer is to do.
function scenario.lies()
  for name in skynet.getenv("lies"):gmatch "%S+" do
    call(name, "@" .. name, name)
    call("after " .. name, "@echo")
  end
end

-- Others wait on the same connection for what never comes.
function scenario.lost()
  for i = 1, 3 do skynet.fork(call, "never " .. i, "@never", i) end
end

function scenario.traced()
  skynet.fork(function()
    skynet.trace "a call of another node"
    call("traced", "@echo", 1)
    skynet.fork(call, "untraced", "@echo", 2)
  end)
end

function scenario.hang()
  for i = 1, 3 do skynet.fork(call, "hanging " .. i, "@sdb", "never") end
  skynet.yield()
  call("ready", "@sdb", "echo")
end

-- From one node to the other and back: no call may reach the one before.
function scenario.move()
  local ports = {}
  for port in skynet.getenv("ports"):gmatch "%d+" do ports[#ports + 1] = port end
  local wrong = 0
  for i = 1, 40 do
    local port = ports[i % #ports + 1]
    cluster.reload { peer = "127.0.0.1:" .. port }
    for _ = 1, 3 do
      if cluster.call("peer", "@sdb", "port") ~= port then wrong = wrong + 1 end
    end
  end
  skynet.error(("%d calls reached the wrong node"):format(wrong))
end

skynet.start(function()
  cluster.reload { peer = "127.0.0.1:" .. skynet.getenv "peer_port" }
  scenario[skynet.getenv "scenario"]()
  skynet.error "the scenario is done"
end)
