-- The sockets of this service, and what happens to them: one handler per event of contract 2.5.
--
-- An entry lives from the first use of its id until close() or abandon(). `is_open` means that the
-- terminal event (one CLOSE, or one ERROR where contract 2.7 says so) is still to come; `connected`
-- that data may come.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"

local PAUSE_BYTES = 128 * 1024 -- unread bytes above which a socket that nobody reads is paused
-- What one line or one read may need, unless socket.limit() says otherwise: a peer that never ends
-- its line must not fill the memory.
local UNREAD_BYTES_MAX = 64 * 1024 * 1024

---@class skynet.socket.entry
---@field id integer
---@field kind "tcp"|"listener"|"udp"
---@field is_open boolean?
---@field connected boolean?
---@field opener thread? who waits for the answer to connect, listen or start
---@field reader thread? who waits for data, or has been woken and did not run yet
---@field need integer|string|boolean|nil what the reader waits for: bytes, a separator, true = the end
---@field closers table<thread, true>? who waits for the terminal event
---@field is_lost boolean? closed, and the terminal event seems to be another service's: an ERROR will do
---@field buffer userdata?
---@field paused boolean?
---@field is_doomed boolean? too much unread: whatever still comes is dropped
---@field bytes_max integer?
---@field address string? of a listener
---@field port integer?
---@field is_accepting boolean?
---@field callback function? of a listener or a datagram socket
---@field on_warning function?
---@field on_close function?
---@field on_failure function? of a datagram socket
---@field failure string? the text of an ERROR

local sockets = {} ---@type table<integer, skynet.socket.entry>
local blocks = {} -- the driver's pool of blocks, shared by all read buffers of the service
local on_event = {}

local M = { sockets = sockets, blocks = blocks }

---@param id integer
---@param kind "tcp"|"listener"|"udp"
---@return skynet.socket.entry
function M.add(id, kind)
  local entry = { id = id, kind = kind, is_open = true }
  if kind == "tcp" then entry.buffer = driver.buffer() end
  sockets[id] = entry
  return entry
end

---@param id integer
---@return skynet.socket.entry
function M.entry_of(id)
  return sockets[id] or error(("socket %s is not open in this service"):format(id), 3)
end

---@param entry skynet.socket.entry
local function clear(entry)
  local buffer = entry.buffer
  if buffer then
    entry.buffer = nil
    driver.clear(buffer, blocks)
  end
end

---@param entry skynet.socket.entry
function M.remove(entry)
  if sockets[entry.id] == entry then sockets[entry.id] = nil end
  if not entry.reader then clear(entry) end -- a reader still takes what has come
end

---Wakes the reader, if it still waits; it finds out by itself what has changed.
---@param entry skynet.socket.entry
local function wake_reader(entry)
  if entry.need ~= nil then
    entry.need = nil
    skynet.wakeup(entry.reader)
  end
end

---Ends the wait of whoever reads the socket: it finds what there is, as at the end of the stream.
---@param id integer
function M.interrupt(id)
  local entry = sockets[id]
  if entry then wake_reader(entry) end
end

---@param id integer
---@return boolean is_quiet connected, and nothing has come that nobody has read
function M.is_quiet(id)
  local entry = sockets[id]
  if not (entry and entry.connected and entry.buffer) then return false end
  local _, unread = driver.pop(entry.buffer, blocks, 0)
  return unread == 0
end

---@param id integer
---@return string? failure why the stream broke off: nil while it is open, and behind an orderly end
function M.failure_of(id)
  local entry = sockets[id]
  return entry and entry.failure
end

---Everybody who waits for anything of this socket goes on.
---@param entry skynet.socket.entry
local function wake_all(entry)
  wake_reader(entry)
  if entry.opener then
    skynet.wakeup(entry.opener)
    entry.opener = nil
  end
  local closers = entry.closers
  if closers then
    entry.closers = nil
    for closer in pairs(closers) do skynet.wakeup(closer) end
  end
end
M.wake_all = wake_all

---@param entry skynet.socket.entry
---@param unread integer? bytes
function M.pause(entry, unread)
  if entry.paused then return end
  entry.paused = true
  skynet.error(unread and ("Pause socket (%d) size : %d"):format(entry.id, unread)
    or ("Pause socket (%d)"):format(entry.id))
  driver.pause_own(entry.id)
end

local function overflow(entry, unread)
  skynet.error(("socket buffer overflow: fd=%d size=%d"):format(entry.id, unread))
  entry.is_doomed = true
  clear(entry)
  driver.close(entry.id)
end

-- What may lie unread: as socket.limit() says.
local function unread_max(entry) return entry.bytes_max or UNREAD_BYTES_MAX end

local function is_satisfied(entry, unread)
  local need = entry.need
  if need == true then return false end
  if type(need) == "string" then return driver.readline(entry.buffer, nil, need) end
  return unread >= need and need <= unread_max(entry)
end

on_event[1] = function(id, size, data) -- DATA
  local entry = sockets[id]
  if not entry or entry.is_doomed then
    if not entry then skynet.error("socket: drop package from " .. id) end
    driver.drop(data, size)
    return
  end
  local unread = driver.push(entry.buffer, blocks, data, size)
  if entry.need == nil then
    if unread > unread_max(entry) then
      overflow(entry, unread)
    elseif unread > PAUSE_BYTES then
      M.pause(entry, unread)
    end
  elseif is_satisfied(entry, unread) then
    wake_reader(entry)
  elseif unread > unread_max(entry) then
    overflow(entry, unread)
  end
end

on_event[2] = function(id, port, text) -- CONNECT; without an opener it only says that reading goes on
  local entry = sockets[id]
  local opener = entry and entry.opener
  if not opener then return end
  entry.connected = true
  if entry.kind == "listener" and not entry.address then
    entry.address, entry.port = text, port
  end
  entry.opener = nil
  skynet.wakeup(opener)
end

on_event[3] = function(id) -- CLOSE
  local entry = sockets[id]
  if not entry then
    driver.close(id) -- a socket that nobody here wants: frees what a peer's end leaves open
    return
  end
  entry.is_open, entry.connected = false, false
  wake_all(entry)
  if entry.on_close then entry.on_close(id) end
end

on_event[4] = function(id, new_id, peer) -- ACCEPT; each in a coroutine of its own
  local entry = sockets[id]
  if entry and entry.callback then
    entry.callback(new_id, peer)
  else
    driver.close(new_id)
  end
end

on_event[5] = function(id, _, text) -- ERROR
  local entry = sockets[id]
  if not entry then
    driver.shutdown(id)
    return
  end
  if entry.opener or entry.kind == "udp" or entry.is_lost then -- the id is free
    entry.failure = text
    entry.is_open, entry.connected = false, false
    wake_all(entry)
    if entry.on_failure then
      entry.on_failure(text)
    elseif entry.kind == "udp" then
      skynet.error("socket: error on", id, text)
    end
  elseif entry.kind == "listener" then
    skynet.error("socket: accept error:", text)
  elseif entry.connected then
    skynet.error("socket: error on", id, text)
    entry.failure = text
    entry.connected = false
    driver.shutdown(id) -- CLOSE follows and wakes whoever waits for that
    wake_reader(entry)
  end
end

on_event[6] = function(id, size, data, from) -- UDP
  local entry = sockets[id]
  if not entry or not entry.callback then
    driver.drop(data, size)
    return
  end
  local text = skynet.tostring(data, size)
  driver.drop(data, size)
  entry.callback(text, from)
end

on_event[7] = function(id, kib) -- WARNING
  local entry = sockets[id]
  if not entry then return end
  if entry.on_warning then
    entry.on_warning(id, kib)
  elseif kib > 0 then
    skynet.error(("WARNING: %d K bytes need to send out (fd = %d)"):format(kib, id))
  end
end

skynet.register_protocol {
  name = "socket",
  id = skynet.PTYPE_SOCKET,
  unpack = driver.unpack,
  dispatch = function(_, _, event, ...)
    local f = on_event[event]
    if f then f(...) end
  end,
}

return M
