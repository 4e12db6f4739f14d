-- Connections of http.httpc that wait for another request, by the place they lead to. One that waits
-- too long, or gets what nobody asked for, is closed.
local skynet = require "skynet"

local IDLE_PER_PLACE_MAX = 16
local IDLE_MAX = 1024
local IDLE_CS = 400 -- many servers wait for 5 s; to close first is to lose no request

---@class skyloom.http_connection
---@field place string
---@field close fun()
---@field is_quiet fun(): boolean
---@field idle_since integer?

local M = {}

local idle = {} ---@type table<string, skyloom.http_connection[]> the one that waits longest first
local idle_count = 0
local is_reaping = false

local function remove(list, index)
  idle_count = idle_count - 1
  local connection = table.remove(list, index)
  if #list == 0 then idle[connection.place] = nil end
  return connection
end

local function reap()
  local now = skynet.now()
  for _, list in pairs(idle) do
    while list[1] and (now - list[1].idle_since >= IDLE_CS or not list[1].is_quiet()) do
      skynet.fork(remove(list, 1).close)
    end
  end
  is_reaping = idle_count > 0
  if is_reaping then skynet.timeout(IDLE_CS // 4, reap) end
end

--- A connection that somebody has put back, nil when there is none.
---@param place string
---@return skyloom.http_connection?
function M.take(place)
  local list = idle[place]
  while list and #list > 0 do
    local connection = remove(list)
    if connection.is_quiet() then return connection end
    skynet.fork(connection.close)
  end
end

--- Keeps the connection for another request, or closes it when too many wait.
---@param connection skyloom.http_connection
function M.put(connection)
  local list = idle[connection.place] or {}
  if #list >= IDLE_PER_PLACE_MAX or idle_count >= IDLE_MAX then
    skynet.fork(connection.close)
    return
  end
  idle[connection.place] = list
  list[#list + 1] = connection
  idle_count = idle_count + 1
  connection.idle_since = skynet.now()
  if not is_reaping then
    is_reaping = true
    skynet.timeout(IDLE_CS // 4, reap)
  end
end

return M
