---@meta skynet.debugchannel

--- Lines between two services of a node, and hooks that stop coroutines.
---@class skynet.debugchannel
local debugchannel = {}

--- One end. Both ends read and write the same queue.
---@class skynet.debugchannel.channel
local channel = {}

--- Waits for a line, and keeps the worker from everything else meanwhile. A line that was written before
--- the other end went can still be read.
---@param timeout number? in hundredths of a second, at most 6000; 0 by default
---@return string? line
function channel:read(timeout) end

--- Raises when a mebibyte or 4096 lines wait to be read.
---@param line string
function channel:write(line) end

--- Also when it is collected. Whoever waits at the other end is let go.
function channel:release() end

--- Raises when 65,536 channels wait for connect().
---@return skynet.debugchannel.channel channel
---@return lightuserdata handle for one connect() in this or another service
function debugchannel.create() end

--- Raises when nothing waits under this handle.
---@param handle lightuserdata
---@return skynet.debugchannel.channel
function debugchannel.connect(handle) end

---@param end_of_it skynet.debugchannel.channel
function debugchannel.release(end_of_it) end

--- As debug.sethook(). When f returns true from a "line" or "count" event, the coroutine yields; resumed, it
--- goes on where it stood. Without f the hook goes.
---@param thread thread? the running one by default; may be left out
---@param f (fun(event: string, line: integer?): boolean?)?
---@param mask string? of "c", "r" and "l"
---@param count integer? an event each so many instructions
---@overload fun(f: (fun(event: string, line: integer?): boolean?)?, mask: string?, count: integer?)
function debugchannel.sethook(thread, f, mask, count) end

return debugchannel
