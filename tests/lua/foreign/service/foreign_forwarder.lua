-- In forward mode each message is the script's: requests and answers pass through as they are.
local skynet = require "skynet"

local to = tonumber((...))
local REQUEST = { [10] = true, [1] = true }

skynet.register_protocol { name = "request", id = 10, unpack = function(...) return ... end,
  dispatch = function(_, _, message, size) skynet.ret(skynet.rawcall(to, "lua", message, size)) end }

skynet.start_forwarding(function(kind, message, size, ...)
  skynet.dispatch_message(kind, message, size, ...)
  if not REQUEST[kind] then skynet.trash(message, size) end
end, function() end)
