-- A snax service that other nodes may call.
local snax = require "skynet.snax"

local count = 0

function response.ping(text) return "pong " .. text end
function response.count() return count end
function accept.add(n) count = count + n end

function init()
  snax.enablecluster()
end
