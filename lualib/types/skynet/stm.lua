---@meta skynet.stm

--- Values of one service that others read without messages, as versions.
---@class skynet.stm
local stm = {}

--- Publishes a new version when it is called.
---@class skynet.stm.writer
---@overload fun(value: string)
---@overload fun(block: lightuserdata, size: integer)

--- reader(f, ud): true and the results of f(pointer, size, ud) for a version that this reader has not seen;
--- false when there is none, and after the writer is gone. f must not yield. The pointer is valid until
--- the reader's next version.
---@class skynet.stm.reader
---@overload fun(f: (fun(pointer: lightuserdata, size: integer, ud: any): ...), ud: any): boolean, ...

---@param value string
---@return skynet.stm.writer
---@overload fun(block: lightuserdata, size: integer): skynet.stm.writer the block is taken over, as of skynet.pack()
function stm.new(value) end

--- For one newcopy() in this or another service. Raises when 65,536 copies wait for theirs.
---@param writer skynet.stm.writer
---@return lightuserdata copy
function stm.copy(writer) end

--- Raises when the copy was taken already, or is none.
---@param copy lightuserdata
---@return skynet.stm.reader
function stm.newcopy(copy) end

return stm
