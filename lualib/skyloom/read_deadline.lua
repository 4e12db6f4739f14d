-- Limits of time for coroutines that read sockets: cheap to set and to clear, because nobody is woken
-- for a deadline that is met. They are looked at eight times per length of the shortest one.
local skynet = require "skynet"
local socket = require "skynet.socket"
local events = require "skynet.socket.events"

local SWEEP_CS_MAX = 100

local M = {}

--- Raised by read() when it is too late.
M.late = setmetatable({}, { __tostring = function() return "[Timeout]" end })

-- By coroutine. One that was killed is forgotten.
local ends = setmetatable({}, { __mode = "k" }) -- the time in cs; false: it is over
local reading = setmetatable({}, { __mode = "k" }) -- the socket it waits for

local sweep_cs = SWEEP_CS_MAX
local sweeper -- the function that looks next: those that a shorter deadline has made too late do nothing

local function sweep_later()
  local function sweep()
    if sweeper ~= sweep then return end
    sweeper = nil
    local now = skynet.now()
    local is_awaited = false
    for thread, time in pairs(ends) do
      if time and now >= time then
        ends[thread] = false
        if reading[thread] then events.interrupt(reading[thread]) end
      elseif time then
        is_awaited = true
      end
    end
    if is_awaited then sweep_later() end
  end
  sweeper = sweep
  skynet.timeout(sweep_cs, sweep)
end

--- From now on the calling coroutine has so long for what it reads.
---@param cs integer 0: no deadline
function M.set(cs)
  if cs == 0 then return M.clear() end
  ends[coroutine.running()] = skynet.now() + cs
  local wanted_cs = math.max(1, cs // 8)
  if wanted_cs < sweep_cs then
    sweep_cs = wanted_cs
    sweeper = nil
  end
  if not sweeper then sweep_later() end
end

--- The calling coroutine has no deadline any more.
function M.clear()
  local thread = coroutine.running()
  ends[thread], reading[thread] = nil, nil
end

--- As socket.read(), within the deadline. Raises `late` behind it.
---@param id integer
---@param bytes integer?
---@return string|false data
---@return string? rest
function M.read(id, bytes)
  local thread = coroutine.running()
  local time = ends[thread]
  if time == nil then return socket.read(id, bytes) end
  if time == false then error(M.late) end
  reading[thread] = id
  local data, rest = socket.read(id, bytes)
  reading[thread] = nil
  if not data and ends[thread] == false then error(M.late) end
  return data, rest
end

return M
