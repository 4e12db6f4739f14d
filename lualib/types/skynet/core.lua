---@meta skynet.core

--- What `skynet` is made of; services use that instead. Without a service it cannot be loaded.
---@class skynet.core
local core = {}

--- Raises for the destination 0.
---@param dest integer|string handle, ":hex", ".local" or a global name
---@param type integer
---@param session integer? nil: a new one
---@param msg string|lightuserdata? a string is copied, a block handed over
---@param sz integer?
---@return integer|false|nil session false: too large; nil: there is no such service
function core.send(dest, type, session, msg, sz) end

--- The same with the given source.
---@param dest integer|string
---@param source integer
---@param type integer
---@param session integer?
---@param msg string|lightuserdata?
---@param sz integer?
---@return integer|false|nil session
function core.redirect(dest, source, type, session, msg, sz) end

---@return integer session
function core.genid() end

---@param cmd string
---@param parm string?
---@return string?
function core.command(cmd, parm) end

--- Raises when the result is no number.
---@param cmd string
---@param parm (string|integer)?
---@return number?
function core.intcommand(cmd, parm) end

---@param cmd string
---@param parm string?
---@return integer? handle
function core.addresscommand(cmd, parm) end

--- A line of the log, joined by blanks.
---@param ... any
function core.error(...) end

---@param handle integer
---@return integer harbor, boolean is_remote
function core.harbor(handle) end

--- Sets what gets each message. With `forward` the blocks are the function's to free.
---@param f fun(type: integer, msg: lightuserdata, size: integer, session: integer, source: integer)
---@param forward boolean?
function core.callback(f, forward) end

--- Logs a line of a trace.
---@param tag string
---@param text string
---@param thread thread?
---@param level integer?
function core.trace(tag, text, thread, level) end

---@param ... any
---@return lightuserdata msg, integer sz
function core.pack(...) end

---@param ... any
---@return string
function core.packstring(...) end

--- Raises "Invalid serialize stream". Frees nothing.
---@param msg string|lightuserdata
---@param sz integer?
---@return ...
function core.unpack(msg, sz) end

---@param msg lightuserdata
---@param sz integer
---@return string
function core.tostring(msg, sz) end

---@param msg string|lightuserdata
---@param sz integer?
function core.trash(msg, sz) end

---@return integer cs
function core.now() end

---@return integer nanoseconds monotonic
function core.hpc() end

return core
