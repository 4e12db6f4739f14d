---@meta skynet.memory

--- The memory of the process as its allocator sees it. Figures that only jemalloc has are 0 or false.
---@class skynet.memory
local memory = {}

---@return integer bytes in use, of the process
function memory.total() end

---@return integer blocks with a mapping of their own
function memory.block() end

---@return integer bytes 0: C memory is not counted per service
function memory.current() end

---@return table<integer, integer> bytes by handle of the services that are counted: none
function memory.info() end

--- Prints the allocator's statistics to standard error.
function memory.dump() end

--- The same, in the allocator's own format.
---@param options string?
function memory.dumpinfo(options) end

---@return table<string, integer> bytes by name: stats.allocated, stats.resident ...
function memory.jestat() end

---@param name string of jemalloc's tree
---@return integer
function memory.mallctl(name) end

---@return integer status 0: a heap profile was written
function memory.dumpheap() end

---@param active boolean? switches it; nil asks
---@return boolean was_active
function memory.profactive(active) end

return memory
