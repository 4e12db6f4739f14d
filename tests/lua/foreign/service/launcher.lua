-- Starts services, and counts what it is told about them.
local skynet = require "skynet"

local starting = {}
local unasked = 0
local command = {}

function command.LAUNCH(...)
  local response = skynet.response()
  local handle = skynet.launch("snlua", ...)
  if not handle then return response(false) end
  starting[handle] = response
end

function command.UNASKED() skynet.retpack(unasked) end

skynet.register_protocol {
  name = "text",
  id = 0,
  unpack = skynet.tostring,
  dispatch = function(_, source, text)
    local response = starting[source]
    starting[source] = nil
    if not response then
      unasked = unasked + 1
    else
      response(text == "", source)
    end
  end,
}
skynet.dispatch("lua", function(_, _, name, ...) command[name](...) end)
skynet.start(function() end)
