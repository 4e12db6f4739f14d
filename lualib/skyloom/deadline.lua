-- A deadline for what waits on a socket.
local skynet = require "skynet"
local socket = require "skynet.socket"

local M = {}

---Calls f(...), which waits for socket `id`, and gives its results. When it takes longer than `cs` the
---socket is shut down, and `reason` raised.
---@param id integer
---@param cs integer 0: no limit
---@param reason string
---@param f function
function M.within(id, cs, reason, f, ...)
  if cs == 0 then return f(...) end
  local token = {}
  local is_done, is_late
  skynet.fork(function()
    if not is_done then skynet.sleep(cs, token) end
    if is_done then return end
    is_late = true
    socket.shutdown(id)
  end)
  local results = table.pack(pcall(f, ...))
  is_done = true
  skynet.wakeup(token)
  if results[1] then return table.unpack(results, 2, results.n) end
  error(is_late and reason or results[2], 0)
end

return M
