--- What starts, ends and names services: adds to `skynet` and returns it.
local skynet = require "skynet"
local core = require "skynet.core"
local scheduler = require "skyloom.scheduler"

--- Starts a service of any module, not through the launcher: its `_init` has run when this returns.
---@param ... any the module's name and its arguments, joined by blanks
---@return integer|nil handle nothing when it fails, which the log explains
function skynet.launch(...)
	local words = table.pack(...)
	for index = 1, words.n do
		words[index] = tostring(words[index])
	end
	return core.addresscommand("LAUNCH", table.concat(words, " "))
end

local function handle_of(service)
	if type(service) == "number" then
		return service
	elseif type(service) ~= "string" then
		return nil  -- KILL refuses it
	elseif service:sub(1, 1) == "." then
		return skynet.localname(service)
	end
	local digits = service:match "^:(%x+)$"
	return digits and #digits <= 8 and tonumber(digits, 16) or nil
end

--- Ends a service of this node; nobody is asked.
---@param service integer|string handle, or ":hex", or ".name"
function skynet.kill(service)
	local handle = handle_of(service)
	if handle then
		skynet.send(".launcher", "lua", "REMOVE", handle, true)
		service = skynet.address(handle)
	end
	core.command("KILL", service)
end

--- Ends every service, and so the process.
function skynet.abort()
	core.command("ABORT")
end

-- Registers a name of the network; false: it is one of this node (".name").
local function set_global_name(name, handle)
	if name:sub(1, 1) == "." then
		return false
	end
	assert(name:sub(1, 1) ~= ":" and #name < 16 and not tonumber(name),
		("invalid global name '%s': 1 to 15 bytes, no number, not beginning with ':'"):format(name))
	require("skynet.harbor").globalname(name, handle)
	return true
end

--- Gives this service a name: ".name" on this node, "name" in the network.
---@param name string
function skynet.register(name)
	if not set_global_name(name) then
		core.command("REG", name)
	end
end

--- Gives another service a name.
---@param name string
---@param handle integer
function skynet.name(name, handle)
	if not set_global_name(name, handle) then
		core.command("NAME", name .. " " .. skynet.address(handle))
	end
end

local function start_later(start)
	scheduler.init_thread = skynet.timeout(0, function()
		skynet.init_service(start)
		scheduler.init_thread = nil
	end)
end

--- In the place of skynet.start(): messages of the types in `map` (type -> type) are dispatched as the other
--- type and kept: whoever handles them owns the payload. All others are dispatched as usual.
---@param map table<integer, integer>
---@param start fun()
function skynet.forward_type(map, start)
	local dispatch_message = skynet.dispatch_message
	core.callback(function(message_type, message, size, ...)
		local other = map[message_type]
		if other then
			return dispatch_message(other, message, size, ...)
		end
		local ok, err = pcall(dispatch_message, message_type, message, size, ...)
		core.trash(message, size)
		if not ok then
			error(err, 0)
		end
	end, true)
	start_later(start)
end

--- In the place of skynet.start(): f(type, message, size, session, source) -> what is dispatched instead.
---@param f fun(type: integer, message: lightuserdata, size: integer, session: integer, source: integer): ...
---@param start fun()
function skynet.filter(f, start)
	core.callback(function(...)
		skynet.dispatch_message(f(...))
	end)
	start_later(start)
end

--- The service that hears of every death on this node, started if need be (query: only waited for).
---@param service string
---@param query? boolean
---@return integer handle
function skynet.monitor(service, query)
	local monitor = (query and skynet.queryservice or skynet.uniqueservice)(true, service)
	core.command("MONITOR", skynet.address(monitor))
	return monitor
end

return skynet
