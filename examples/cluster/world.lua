-- The node `world`: works with the other's store in every way there is, and says when all went well.
local skynet = require "skynet"
local cluster = require "skynet.cluster"

local function expect(heard, wanted)
  if heard ~= wanted then error(("%s should come, not %s"):format(tostring(wanted), tostring(heard)), 2) end
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(name, ...)
  end)
  cluster.register "mirror"
  cluster.open "world"

  -- A name that the other node has registered.
  expect(cluster.call("db", "@store", "set", "city", "Oslo"), nil)
  expect(cluster.call("db", "@store", "get", "city"), "Oslo")

  -- Its handle, which saves the look-up there.
  local store = cluster.query("db", "store")
  expect(cluster.call("db", store, "set", "city", "Rome"), "Oslo")

  -- A service here that stands for it.
  local proxy = cluster.proxy("db", "@store")
  expect(skynet.call(proxy, "lua", "get", "city"), "Rome")

  -- Without an answer; in the order of the calls.
  cluster.send("db", "@store", "set", "city", "Bern")
  expect(cluster.call("db", "@store", "get", "city"), "Bern")

  -- Larger than a packet.
  local text = ("all work and no play "):rep(20000)
  cluster.call("db", "@store", "set", "text", text)
  expect(cluster.call("db", "@store", "get", "text"), text)

  -- And back, while we wait.
  expect(cluster.call("db", "@store", "ask", "world", "@mirror", "who is there?"), "who is there?")

  -- What fails there is an error here.
  expect(pcall(cluster.call, "db", "@store", "dance"), false)
  skynet.error "the two nodes understand each other"
end)
