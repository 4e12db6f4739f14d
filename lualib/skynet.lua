--- The services of the runtime to Lua code. Most of it is C++ (`skyloom.skynet`); what few services use
--- is loaded by its first use (`skyloom.rare`).
local skynet = require "skyloom.skynet"
local scheduler = require "skyloom.scheduler"
local skynet_require = require "skynet.require"
local dispatch_message = skynet.dispatch_message

skynet.cache = require "skynet.codecache"
--- Runs `f` before the function of skynet.start(), or at once when that has begun.
skynet.init = skynet_require.init

scheduler.protocols().debug.dispatch = function(...)
	return require("skynet.debug").dispatch(...)
end

-- Logs why it did not start, tells the launcher, and leaves.
local function fail(reason)
	skynet.error("init service failed: " .. tostring(reason))
	skynet.send(".launcher", "lua", "ERROR")
	skynet.exit()
end

--- Runs the start function of a service, and tells the launcher how that went.
---@param start fun()
function skynet.init_service(start)
	local ok, err = xpcall(function()
		skynet_require.init_all()
		start()
	end, debug.traceback)
	if ok then
		skynet.send(".launcher", "lua", "LAUNCHOK")
		scheduler.start_told()
	elseif not pcall(fail, err) then
		scheduler.quit() -- no text, or no memory for it; the end tells the launcher
	end
end

--- The entry of a service: `start` runs as soon as the script has been loaded, in a coroutine.
---@param start fun()
function skynet.start(start)
	if skynet.dispatch_message == dispatch_message then
		scheduler.listen()
	else -- the program looks at its messages first
		require("skynet.core").callback(skynet.dispatch_message)
	end
	scheduler.init_thread = skynet.timeout(0, function()
		skynet.init_service(start)
		scheduler.init_thread = nil
		-- What starting has left behind would stay for as long as the service has nothing to do.
		if collectgarbage "count" < 1024 then
			collectgarbage()
		end
	end)
end

local function add_rare()
	setmetatable(skynet, nil)
	for name, value in pairs(require "skyloom.rare") do
		if skynet[name] == nil then
			skynet[name] = value
		end
	end
	return skynet
end

return setmetatable(skynet, {
	__index = function(_, key)
		return scheduler.message_type(key) or add_rare()[key]
	end,
	__pairs = function()
		return next, add_rare()
	end,
})
