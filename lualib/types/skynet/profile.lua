---@meta skynet.profile

--- Processor time of coroutines.
---@class skynet.profile
local profile = {}

--- Raises when it is measured already.
---@param co thread? the running one by default
function profile.start(co) end

--- Raises without start().
---@param co thread?
---@return number seconds
function profile.stop(co) end

--- What stop() would return; the measuring goes on.
---@param co thread?
---@return number seconds
function profile.elapsed(co) end

--- coroutine.resume() that keeps the time.
---@param co thread
---@param ... any
---@return boolean, ...
function profile.resume(co, ...) end

--- coroutine.wrap() that keeps the time.
---@param f function
---@return function
function profile.wrap(f) end

return profile
