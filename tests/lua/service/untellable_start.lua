-- Never starts, and cannot say why.
local skynet = require "skynet"
skynet.start(function()
  error(setmetatable({}, { __tostring = function() error "no text" end }))
end)
