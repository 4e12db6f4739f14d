-- The agent of one client behind the gate: says again what it hears.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

local gate, id = ...
gate, id = tonumber(gate), tonumber(id)

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = skynet.tostring,
  dispatch = function(session, _, text)
    skynet.ignoreret()
    assert(session == id)
    driver.send(id, netpack.pack(text))
  end,
}
skynet.start(function()
  skynet.dispatch("lua", function() skynet.exit() end)
  skynet.call(gate, "lua", "forward", id)
end)
