---@meta skyloom.skynet

--- What a service calls. Everything that waits lets other coroutines of the service run meanwhile.
--- Addresses are handles, ":hex", ".local" names, or global names of up to 15 bytes. Times are in
--- hundredths of a second (cs) unless something else is said.
---@class skynet
---@field PTYPE_TEXT integer
---@field PTYPE_RESPONSE integer
---@field PTYPE_MULTICAST integer
---@field PTYPE_CLIENT integer
---@field PTYPE_SYSTEM integer
---@field PTYPE_HARBOR integer
---@field PTYPE_SOCKET integer
---@field PTYPE_ERROR integer
---@field PTYPE_QUEUE integer
---@field PTYPE_DEBUG integer
---@field PTYPE_LUA integer
---@field PTYPE_SNAX integer
---@field PTYPE_TRACE integer
---@field cache table skynet.codecache
local skynet = {}

---@alias skynet.address integer|string

---@class skynet.protocol
---@field name string
---@field id integer 0 to 255
---@field pack (fun(...: any): string|lightuserdata?, integer?)?
---@field unpack (fun(msg: lightuserdata, sz: integer): ...)?
---@field dispatch fun(session: integer, source: integer, ...)?
---@field trace boolean?

-- Message types -----------------------------------------------------------------------------------

--- Adds a message type. Raises when its name or number is taken.
---@param protocol skynet.protocol
function skynet.register_protocol(protocol) end

--- Sets who handles the messages of a type. Raises for an unknown type.
---@param typename string
---@param f fun(session: integer, source: integer, ...)? nil: only asks
---@return function? before
function skynet.dispatch(typename, f) end

--- As the runtime does with each message that arrives.
---@param type integer
---@param msg lightuserdata
---@param sz integer
---@param session integer
---@param source integer
function skynet.dispatch_message(type, msg, sz, session, source) end

--- Sets who gets requests of types that nobody handles.
---@param f fun(session: integer, source: integer, msg: lightuserdata, sz: integer, type: string|integer)
---@return function before who got them; at first a function that logs them and raises
function skynet.dispatch_unknown_request(f) end

--- Sets who gets answers that nobody waits for.
---@param f fun(session: integer, source: integer, msg: lightuserdata, sz: integer)
---@return function before who got them; at first a function that logs them and raises
function skynet.dispatch_unknown_response(f) end

-- Messages ----------------------------------------------------------------------------------------

--- Sends without waiting for an answer.
---@param addr skynet.address
---@param typename string
---@param ... any as the type's pack takes it
---@return integer|false|nil session 0; false: too large; nil: there is no such service
function skynet.send(addr, typename, ...) end

--- The same with a packed message, which is handed over.
---@param addr skynet.address
---@param typename string
---@param msg string|lightuserdata
---@param sz integer?
---@return integer|false|nil
function skynet.rawsend(addr, typename, msg, sz) end

--- Waits for the answer. Raises "call failed" when the other side fails or is gone.
---@param addr skynet.address
---@param typename string
---@param ... any as the type's pack takes it
---@return ... the answer, unpacked
function skynet.call(addr, typename, ...) end

--- The same with a packed message; the answer stays packed and is good until the next wait.
---@param addr skynet.address
---@param typename string
---@param msg string|lightuserdata
---@param sz integer?
---@return lightuserdata msg, integer sz
function skynet.rawcall(addr, typename, msg, sz) end

--- Sends a packed message with the given source.
---@param dest skynet.address
---@param source integer
---@param typename string
---@param session integer
---@param msg string|lightuserdata?
---@param sz integer?
---@return integer|false|nil
function skynet.redirect(dest, source, typename, session, msg, sz) end

--- Answers the request that this coroutine serves. Raises when there is none, or it was answered.
---@param msg string|lightuserdata?
---@param sz integer?
---@return boolean was_sent
function skynet.ret(msg, sz) end

--- skynet.ret(skynet.pack(...))
---@param ... any
---@return boolean was_sent
function skynet.retpack(...) end

--- For an answer later: a function to call once with true and the values, or with false for an error.
--- With "TEST" it tells whether the caller still waits.
---@param pack function? skynet.pack by default
---@return fun(ok: boolean|"TEST", ...): boolean
function skynet.response(pack) end

--- The request that this coroutine serves.
---@return integer session, integer source
function skynet.context() end

--- Nobody answers the request: not this coroutine, and no error for it either.
function skynet.ignoreret() end

-- Coroutines --------------------------------------------------------------------------------------

--- Runs f(...) after the current message, in a coroutine of its own.
---@param f function
---@param ... any
---@return thread
function skynet.fork(f, ...) end

--- Runs f after so long. Raises when the service has as many timers as it may.
---@param cs number
---@param f fun()
---@return thread
function skynet.timeout(cs, f) end

---@param cs number
---@param token any? for wakeup(); the coroutine by default
---@return "BREAK"? woken nil: the time is over
function skynet.sleep(cs, token) end

--- Lets the messages run that have come.
function skynet.yield() end

--- Until somebody calls wakeup() with the token.
---@param token any? the coroutine by default
function skynet.wait(token) end

---@param token any
---@return boolean? was_waiting
function skynet.wakeup(token) end

--- Ends a coroutine that waits; its closing variables run.
---@param which thread|string the coroutine, or a part of its name
---@return thread? ended
function skynet.killthread(which) end

-- This service and others -------------------------------------------------------------------------

---@return integer handle
function skynet.self() end

---@param name string ".name"
---@return integer? handle
function skynet.localname(name) end

---@param addr skynet.address
---@return string text ":%08x" of a handle, a name as it is
function skynet.address(addr) end

---@param handle integer
---@return integer harbor, boolean is_remote
function skynet.harbor(handle) end

---@return integer session that is not in use
function skynet.genid() end

--- Starts a Lua service, and waits until its start function has ended. Raises when that fails.
---@param name string
---@param ... any
---@return integer handle
function skynet.newservice(name, ...) end

--- Starts a service once per node, or finds it.
---@param global true|string true: once per network; the name follows
---@param ... any
---@return integer handle
function skynet.uniqueservice(global, ...) end

--- Waits until somebody has started the unique service.
---@param global true|string true: of the network; the name follows
---@param ... any
---@return integer handle
function skynet.queryservice(global, ...) end

--- The entry of a service: `start` runs as soon as the script has been loaded, in a coroutine.
---@param start fun()
function skynet.start(start) end

--- Runs the start function of a service, and tells the launcher how that went.
---@param start fun()
function skynet.init_service(start) end

--- Ends this service: whoever waits for it gets an error, and the variables to close of all its coroutines are closed.
--- Does not return.
function skynet.exit() end

--- Treats another service as dead: calls that wait for it fail.
---@param address integer|string a name of the network: the calls that went to this name
function skynet.term(address) end

---@param key string
---@return string?
function skynet.getenv(key) end

--- Raises for a key that is set.
---@param key string
---@param value string|number|boolean
function skynet.setenv(key, value) end

-- Time --------------------------------------------------------------------------------------------

---@return integer cs since the node's start, monotonic
function skynet.now() end

---@return number seconds since 1970, with fraction
function skynet.time() end

---@return integer seconds since 1970 at the node's start
function skynet.starttime() end

---@return integer nanoseconds monotonic
function skynet.hpc() end

-- Values as bytes ---------------------------------------------------------------------------------

--- Raises for functions, threads and full userdata, and for tables in more than 32 levels.
---@param ... any
---@return lightuserdata msg, integer sz for a send, or trash()
function skynet.pack(...) end

---@param ... any
---@return string
function skynet.packstring(...) end

---@param msg string|lightuserdata
---@param sz integer?
---@return ...
function skynet.unpack(msg, sz) end

---@param msg lightuserdata
---@param sz integer
---@return string
function skynet.tostring(msg, sz) end

--- Frees what pack() gave.
---@param msg string|lightuserdata
---@param sz integer?
function skynet.trash(msg, sz) end

-- Log and trace -----------------------------------------------------------------------------------

--- A line of the log, joined by blanks.
---@param ... any
function skynet.error(...) end

--- Gives the running request a new tag that goes with all its calls, and logs each step. Nothing when traceproto() has
--- said false for the request's type.
---@param text string?
function skynet.trace(text) end

---@return string? tag
function skynet.tracetag() end

--- Whether every request of a type is traced: true, none: false.
---@param typename string|integer
---@param flag boolean
function skynet.traceproto(typename, flag) end

---@param tag string
---@param text string
---@param thread thread?
---@param level integer?
function skynet.tracelog(tag, text, thread, level) end

--- As rawcall(), for a request that carries the tag of a trace from elsewhere.
---@param tag string
---@param address skynet.address
---@param typename string|integer
---@param msg string|lightuserdata
---@param sz integer?
---@return lightuserdata msg
---@return integer sz
function skynet.tracecall(tag, address, typename, msg, sz) end

--- Whether timers that are set from now on remember where: task() and uniqtask() show it.
---@param on boolean
function skynet.trace_timeout(on) end

-- Inspection --------------------------------------------------------------------------------------

---@return integer messages that wait
function skynet.mqlen() end

---@param what "mqlen"|"endless"|"cpu"|"time"|"message"
---@return number
function skynet.stat(what) end

--- Whether a message took too long since the last question.
---@return boolean
function skynet.endless() end

--- For the Lua memory of this service; while its script loads.
---@param bytes integer
function skynet.memlimit(bytes) end

--- How many coroutines wait; a table is filled with their tracebacks.
---@param which table|integer|thread|"init"|nil
---@return any
function skynet.task(which) end

---@return table<string, string> traceback by "count\tsessions:[...]\n"
function skynet.uniqtask() end

--- Sets what the console's `info` shows.
---@param f (fun(...): any)?
function skynet.info_func(f) end

---@class skynet.requests
---@field timeout true? select() ended because its time was over
local requests = {}

---@param call table {address, type, ...}
---@return skynet.requests self
function requests:add(call) end

---@param cs number?
---@return fun(): table?, table|false|nil iterator request and answer; false: the call failed
function requests:select(cs) end

--- Gives up what has not come.
function requests:close() end

--- Several calls at once.
---@param call table? {address, type, ...}
---@return skynet.requests
function skynet.request(call) end

---@deprecated plain pcall can be yielded across
---@param f function
---@param ... any
---@return boolean, ...
function skynet.pcall(f, ...) end

return skynet
