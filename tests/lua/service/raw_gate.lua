-- A gate on snax.gateserver that answers frames itself; its handler fails and waits when told to.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local gateserver = require "snax.gateserver"

local mode = ...
local seen = { connect = 0, disconnect = 0, error = 0, warning = 0, nodelay = 0, texts = {} }

local nodelay = driver.nodelay
driver.nodelay = function(fd)
  seen.nodelay = seen.nodelay + 1
  return nodelay(fd)
end

local handler = { embed = mode == "embed" }

function handler.connect(fd)
  seen.connect = seen.connect + 1
  gateserver.openclient(fd)
end

function handler.message(fd, msg, size)
  local text = skynet.tostring(msg, size)
  skynet.trash(msg, size)
  seen.texts[#seen.texts + 1] = text
  if text == "fail" then error "the handler fails" end
  if text == "wait" then skynet.wait "go" end
  if text == "go" then skynet.wakeup "go" end
  if text == "leave" then gateserver.closeclient(fd) end
  driver.send(fd, string.pack(">s2", text))
end

function handler.disconnect(fd)
  seen.disconnect = seen.disconnect + 1
  if mode == "fail" then error "the handler fails" end
  gateserver.closeclient(fd)
end

if mode ~= "bare" then
  function handler.command(name)
    if name == "fail" then error "the handler fails" end
    return name, seen
  end
end

if mode == "incomplete" then
  handler.message = nil
end

if handler.embed then
  skynet.start(function()
    gateserver.start(handler)
    assert(skynet.dispatch "lua", "a gate within a service takes commands as soon as it has started")
  end)
else
  gateserver.start(handler)
end
