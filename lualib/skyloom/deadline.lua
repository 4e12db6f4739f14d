-- Deadlines for what waits on a socket, and the keys of the configuration that say how long.
local skynet = require "skynet"
local socket = require "skynet.socket"

local M = {}

---A number of the configuration. Raises when it is none.
---@param key string
---@param default integer
---@return integer number 0 or more
function M.number_of(key, default)
  local text = skynet.getenv(key)
  if not text then return default end
  local number = math.tointeger(tonumber(text))
  if not number or number < 0 then
    error(("configuration: %s = %q: must be an integer of 0 or more"):format(key, text), 0)
  end
  return number
end

---A time of the configuration, which has milliseconds.
---@param key string
---@param default_ms integer
---@return integer cs 0: no limit
function M.cs_of(key, default_ms)
  return (M.number_of(key, default_ms) + 9) // 10
end

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
