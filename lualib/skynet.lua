--- The services of the runtime to Lua code. Most of it is C++ (`skyloom.skynet`), because every service would
--- read and keep the prototypes of Lua code; what few services use is loaded by its first use (`skyloom.rare`).
---@type skynet
local skynet = require "skyloom.skynet"

--- Runs `f` before the function of skynet.start(), or at once when that has begun.
skynet.init = require("skynet.require").init

return skynet
