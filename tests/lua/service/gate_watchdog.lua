-- Tells another service what it hears from a gate.
local skynet = require "skynet"

local listener = tonumber((...))

skynet.start(function()
  skynet.dispatch("lua", function(_, _, _, ...) skynet.send(listener, "lua", "other", ...) end)
end)
