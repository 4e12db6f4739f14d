-- A watchdog and agent whose C gate sends the frames as PTYPE_SOCKET, and who takes them for bytes.
local skynet = require "skynet"
require "skynet.manager"

skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  pack = function(...) return table.concat({ ... }, " ") end,
  unpack = skynet.tostring,
}
skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT, pack = function(bytes) return bytes end }
skynet.register_protocol { name = "socket", id = skynet.PTYPE_SOCKET, unpack = skynet.tostring }

skynet.start(function()
  local is_relayed = false -- every second connection is forwarded late: the gate hands its frames on
  skynet.dispatch("text", function(_, gate, report)
    skynet.ignoreret()
    local id, event = report:match "^(%d+) (%a+)"
    if event ~= "open" then return end
    local here, there = skynet.address(skynet.self()), skynet.address(gate)
    if is_relayed then skynet.send(gate, "text", "start", id) end
    skynet.send(gate, "text", "forward", id, here, there)
    if not is_relayed then skynet.send(gate, "text", "start", id) end
    is_relayed = not is_relayed
  end)
  skynet.dispatch("socket", function(id, gate, payload)
    skynet.ignoreret()
    skynet.send(gate, "client", string.pack(">s2<I4", payload, id))
  end)
  local address = "127.0.0.1:" .. skynet.getenv "gate_port"
  assert(skynet.launch("gate", "S", skynet.address(skynet.self()), address, skynet.PTYPE_SOCKET, 10))
end)
