-- A gate over skynet.netpack: frames go to the agent as they are, or to the watchdog.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

local queue, listener, watchdog
local agents = {}
local command, on_event = {}, {}

skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT }

local function report(...) skynet.send(watchdog, "lua", "socket", ...) end

function command.open(_, settings)
  watchdog = settings.watchdog
  listener = { id = driver.listen(settings.address, settings.port) }
  skynet.wait(listener)
  driver.start(listener.id)
  return listener.address, listener.port
end
function command.forward(source, id)
  agents[id] = source
  driver.start(id)
end
function command.kick(_, id) driver.close(id) end

function on_event.init(id, address, port)
  if id ~= listener.id or listener.port then return end
  listener.address, listener.port = address, port
  skynet.wakeup(listener)
end
function on_event.open(id, address) report("open", id, address) end
function on_event.data(id, message, size) skynet.redirect(agents[id], 0, "client", id, message, size) end
function on_event.more()
  for id, message, size in netpack.pop, queue do on_event.data(id, message, size) end
end
function on_event.close(id)
  if id ~= listener.id then report("close", id) end
end
function on_event.error(id, text)
  driver.shutdown(id)
  report("error", id, text)
end
function on_event.warning() end

skynet.register_protocol {
  name = "socket",
  id = skynet.PTYPE_SOCKET,
  unpack = function(message, size) return netpack.filter(queue, message, size) end,
  dispatch = function(_, _, new_queue, event, ...)
    queue = new_queue
    if event then on_event[event](...) end
  end,
}
skynet.start(function()
  skynet.dispatch("lua", function(_, source, name, ...) skynet.retpack(command[name](source, ...)) end)
end)
