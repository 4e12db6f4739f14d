--- What few services use of `skynet`; loaded by its first use (see skynet.lua).
local skynet = require "skynet"
local core = require "skynet.core"
local scheduler = require "skyloom.scheduler"

local rare = {}

for name in ("TEXT RESPONSE MULTICAST CLIENT SYSTEM HARBOR SOCKET ERROR QUEUE DEBUG LUA SNAX TRACE"):gmatch "%u+" do
	rare["PTYPE_" .. name] = scheduler.message_type("PTYPE_" .. name)
end

--- Starts a service once per node (with `true` first: once per network), or finds it.
---@return integer handle
function rare.uniqueservice(global, ...)
	if global == true then
		return assert(skynet.call(".service", "lua", "GLAUNCH", ...))
	end
	return assert(skynet.call(".service", "lua", "LAUNCH", global, ...))
end

--- The handle of a unique service; waits until somebody has started it.
---@return integer handle
function rare.queryservice(global, ...)
	if global == true then
		return assert(skynet.call(".service", "lua", "GQUERY", ...))
	end
	return assert(skynet.call(".service", "lua", "QUERY", global, ...))
end

--- Deprecated: plain pcall can be yielded across.
function rare.pcall(start, ...)
	return xpcall(start, debug.traceback, ...)
end

-- Several calls at once ---------------------------------------------------------------------------

local request = {}
request.__index = request

--- Adds {address, type, ...}; in any order before select().
---@return table self
function request:add(call)
	assert(type(call) == "table", "a request is a table {address, type, ...}")
	self[#self + 1] = call
	return self
end

local function run(self, call)
	self.pending[call] = true
	local answer = table.pack(pcall(skynet.call, table.unpack(call, 1, call.n or #call)))
	if not self.pending[call] then
		return -- nobody wants it any more
	end
	self.pending[call] = nil
	self.arrived = self.arrived + 1
	self.answers[self.arrived] = { call, answer[1] and table.pack(table.unpack(answer, 2, answer.n)) or false }
	if self.waiting then
		skynet.wakeup(self)
	end
end

--- for req, resp in r:select([cs]): the answers as they come, a table each, or false for a failed call. Ends
--- when all have come, or the time is over: then `r.timeout` is true.
function request:select(cs)
	assert(not self.answers, "select() can be used once")
	self.answers, self.pending, self.coroutines, self.arrived = {}, {}, {}, 0
	for index, call in ipairs(self) do
		self.coroutines[index] = skynet.fork(run, self, call)
	end
	local left, next_answer = #self, 1
	local deadline = cs and skynet.now() + cs
	return function()
		if left == 0 then
			return
		end
		while not self.answers[next_answer] do
			if self.timeout then
				return
			end
			self.waiting = true
			if deadline then
				skynet.sleep(math.max(deadline - skynet.now(), 0), self)
				self.timeout = not self.answers[next_answer] and skynet.now() >= deadline or nil
			else
				skynet.wait(self)
			end
			self.waiting = false
			if self.closed then
				return
			end
		end
		local answer = self.answers[next_answer]
		self.answers[next_answer] = nil
		next_answer, left = next_answer + 1, left - 1
		return answer[1], answer[2]
	end, nil, nil, self
end

--- Gives up what has not come: its coroutines end, late answers are dropped.
function request:close()
	if self.closed then
		return
	end
	self.closed = true
	for index, call in ipairs(self) do
		if self.pending and self.pending[call] then
			self.pending[call] = nil
			skynet.killthread(self.coroutines[index])
		end
	end
	if self.waiting then
		skynet.wakeup(self)
	end
end

request.__close = request.close
request.__call = request.add

--- Several calls at once: skynet.request{addr, type, ...}{...}:add{...}, then select().
---@param call? table
function rare.request(call)
	local self = setmetatable({}, request)
	if call then
		self:add(call)
	end
	return self
end

-- Inspection --------------------------------------------------------------------------------------

local timers = setmetatable({}, { __mode = "k" }) -- thread -> where trace_timeout() saw it set

local function where_is(thread)
	return timers[thread] or debug.traceback(thread)
end

--- Without argument: how many coroutines wait. A table: filled with name -> traceback. A session: its
--- traceback. A coroutine: the session that it waits for. "init": where the start function is.
function rare.task(which)
	if which == nil then
		return scheduler.task_count()
	end
	if which == "init" then
		return scheduler.init_thread and debug.traceback(scheduler.init_thread)
	end
	local tasks = scheduler.tasks()
	if type(which) == "thread" then
		return tasks[which] and tasks[which].session
	end
	for thread, task in pairs(tasks) do
		if type(which) == "table" then
			which[("%s session: %d"):format(thread, task.session)] = where_is(thread)
		elseif task.session == which then
			return where_is(thread)
		end
	end
end

--- The tracebacks of what waits, each once: "count\tsessions:[...]\n" -> traceback.
function rare.uniqtask()
	local groups = {}
	for thread, task in pairs(scheduler.tasks()) do
		local where = where_is(thread)
		local sessions = groups[where] or {}
		sessions[#sessions + 1] = task.session
		groups[where] = sessions
	end
	local result = {}
	for where, sessions in pairs(groups) do
		table.sort(sessions)
		local key = ("%d\tsessions:[%s]\n"):format(#sessions, table.concat(sessions, ","))
		result[key] = where
	end
	return result
end

--- Sets what the console's `info` shows of this service.
---@param f? fun(...): any
function rare.info_func(f)
	scheduler.info_func = f
end

--- Logs a line of a trace: (tag, text [, coroutine] [, level]).
rare.tracelog = core.trace

--- As rawcall(), for a request that carries the tag of a trace from elsewhere, another node's for example. Logs its begin
--- and its end.
function rare.tracecall(tag, address, name, msg, size)
	core.trace(tag, "tracecall begin", 2)
	core.send(address, skynet.PTYPE_TRACE, 0, tag)
	local answer, bytes = skynet.rawcall(address, name, msg, size)
	core.trace(tag, "tracecall end", 2)
	return answer, bytes
end

local timeout = skynet.timeout

--- Whether timers that are set from now on remember where: task() and uniqtask() then show that of those that wait.
function rare.trace_timeout(on)
	if not on then
		skynet.timeout = timeout
		return
	end
	skynet.timeout = function(cs, f)
		local thread
		thread = timeout(cs, function()
			timers[thread] = nil
			f()
		end)
		timers[thread] = debug.traceback(("TIMER %d+%d : "):format(skynet.now(), cs), 2)
		return thread
	end
end

return rare
