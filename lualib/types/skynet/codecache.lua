---@meta skynet.codecache

--- The node's cache of compiled Lua files.
---@class skynet.codecache
local codecache = {}

--- What is loaded from now on is read again.
function codecache.clear() end

--- Without argument: which mode this service has.
---@param mode ("ON"|"OFF"|"EXIST")?
---@return string?
function codecache.mode(mode) end

---@param path string?
---@param mode string?
---@param env table?
---@return function? chunk, string? error
function codecache.loadfile(path, mode, env) end

return codecache
