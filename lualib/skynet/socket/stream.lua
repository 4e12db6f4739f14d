-- Connections, listeners and bound descriptors: the part of skynet.socket that waits.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"
local events = require "skynet.socket.events"

local sockets, blocks = events.sockets, events.blocks
local running, status = coroutine.running, coroutine.status

local UNTOLD_CS = 100 -- without a CLOSE for so long, close() asks whether another service has got it

---@class skynet.socket
local socket = {}

local function name_of(host, port)
  return port and ("%s:%s"):format(host, port) or tostring(host)
end

---Waits for the answer to what has just been asked of `entry`.
---@param entry skynet.socket.entry
---@return integer? id
---@return string? failure
local function await_answer(entry)
  local opener = running()
  entry.opener = opener
  repeat
    skynet.wait(opener)
  until entry.opener ~= opener -- somebody else may wake a coroutine, too
  if entry.connected then return entry.id end
  events.remove(entry)
  return nil, entry.failure or "socket closed"
end

---Connects. Raises for a malformed address.
---@param host string host, or "host:port"
---@param port integer?
---@return integer? id
---@return string? failure why there is none
function socket.open(host, port)
  local id = driver.connect(host, port)
  if id < 0 then return nil, "can't connect to " .. name_of(host, port) end
  return await_answer(events.add(id, "tcp"))
end

---Reads and writes a descriptor of the process, which stays the caller's.
---@param fd integer
---@return integer? id
---@return string? failure
function socket.bind(fd)
  local id = driver.bind(fd)
  if id < 0 then return nil, "can't bind descriptor " .. tostring(fd) end
  return await_answer(events.add(id, "tcp"))
end

---@return integer? id of the standard input
---@return string? failure
function socket.stdin()
  return socket.bind(0)
end

---Opens a port; start() begins to accept. Raises when that is impossible.
---@param host string host, or "host:port"
---@param port integer? 0: a free one
---@param backlog integer?
---@return integer id
---@return string address that is bound
---@return integer port that is bound
function socket.listen(host, port, backlog)
  local entry = events.add(driver.listen(host, port, backlog), "listener")
  local id, failure = await_answer(entry)
  if not id then error(("Listen error on %s: %s"):format(name_of(host, port), failure), 2) end
  return id, entry.address, entry.port
end

---Begins to read an accepted socket, or to accept on a listener. This service becomes the owner.
---@param id integer
---@param on_accept? fun(id: integer, peer: string) for listeners; runs in a coroutine of its own
---@return integer? id
---@return string? failure
function socket.start(id, on_accept)
  local entry = sockets[id]
  if not entry then
    entry = events.add(id, on_accept and "listener" or "tcp")
  elseif entry.kind ~= "listener" or entry.opener then
    error(("socket %s is started already in this service"):format(id), 2)
  elseif not entry.is_open then
    return nil, "socket closed"
  end
  entry.callback = on_accept or entry.callback
  if entry.is_accepting then return id end -- the driver does not answer a second start
  entry.is_accepting = entry.kind == "listener"
  entry.connected = false
  driver.start(id)
  return await_answer(entry)
end

---The entry of a stream that nobody reads.
---@param id integer
---@param reader string the function that is going to read
---@return skynet.socket.entry
local function entry_to_read(id, reader)
  local entry = sockets[id]
  if not entry then
    error(("socket.%s: socket %s is not open in this service"):format(reader, id), 3)
  elseif entry.kind ~= "tcp" then
    error(("socket.%s: socket %d is no stream but a %s socket"):format(reader, id, entry.kind), 3)
  elseif entry.reader then
    if status(entry.reader) ~= "dead" then -- it may have been killed
      error(("socket.%s: socket %d has a reader already, another coroutine"):format(reader, id), 3)
    end
    entry.reader, entry.need = nil, nil
  end
  return entry
end

---Waits until `need` is there, the stream has ended, or too much is unread.
---@param entry skynet.socket.entry
---@param need integer|string|boolean
local function await_data(entry, need)
  local reader = running()
  entry.reader, entry.need = reader, need
  if entry.paused then
    entry.paused = nil
    skynet.error(("Resume socket (%d)"):format(entry.id))
    driver.start(entry.id)
  end
  repeat
    skynet.wait(reader)
  until entry.need == nil
  entry.reader = nil
end

---@param entry skynet.socket.entry
local function take_rest(entry)
  local buffer = entry.buffer
  return buffer and driver.readall(buffer, blocks) or ""
end

local function take_some(entry)
  local rest = take_rest(entry)
  return rest ~= "" and rest
end

local function take_bytes(entry, bytes)
  return entry.buffer and driver.pop(entry.buffer, blocks, bytes)
end

local function take_line(entry, separator)
  return entry.buffer and driver.readline(entry.buffer, blocks, separator)
end

---What `take` finds now, or after waiting once; at the end of the stream false and the rest.
local function read_with(take, entry, argument, need)
  local found = take(entry, argument)
  if found then return found end
  if entry.connected then
    await_data(entry, need)
    found = take(entry, argument)
    if found then return found end
  end
  return false, take_rest(entry)
end

---How many bytes came and are not read.
---@param id integer
---@return integer bytes 0, too, when the socket is not open in this service
function socket.unread(id)
  local entry = sockets[id]
  return entry and entry.buffer and select(2, driver.pop(entry.buffer, blocks, 0)) or 0
end

---Reads `bytes` bytes, or without them what there is (at least one byte). When more than limit() allows (64 MiB by default)
---lies unread, the socket is closed: who waits for more than that gets false.
---@param id integer
---@param bytes integer?
---@return string|false data false at the end of the stream
---@return string? rest what came before the end, when it is less than asked for
function socket.read(id, bytes)
  local entry = entry_to_read(id, "read")
  if bytes == nil then return read_with(take_some, entry, nil, 1) end
  local count = math.tointeger(bytes)
  if not count or count < 0 then error(("socket.read: %s bytes of socket %d"):format(bytes, id), 2) end
  if count == 0 then return "" end
  return read_with(take_bytes, entry, count, count)
end

---Reads until the end of the stream.
---@param id integer
---@return string|false data false when the end was known before and nothing is left
function socket.readall(id)
  local entry = entry_to_read(id, "readall")
  if not entry.connected then return take_some(entry) end
  await_data(entry, true)
  return take_rest(entry)
end

---Reads a line; the separator is not part of it.
---@param id integer
---@param separator string? default "\n"
---@return string|false line false at the end of the stream
---@return string? rest the incomplete last line
function socket.readline(id, separator)
  separator = separator or "\n"
  return read_with(take_line, entry_to_read(id, "readline"), separator, separator)
end

---Waits until there is something to read.
---@param id integer
---@return boolean is_readable false: the stream has ended
function socket.block(id)
  if not sockets[id] then return false end
  local entry = entry_to_read(id, "block")
  if not entry.connected then return false end
  local _, unread = driver.pop(entry.buffer, blocks, 0)
  if unread > 0 then return true end
  await_data(entry, 1)
  return entry.connected
end

---Closes, and waits until the socket is closed for its peers, too. What was written is still sent.
---Who reads gets what has come. Does nothing for a socket that is not open here. Also closes a socket
---that another service has started meanwhile: that one is told of it, and this returns after a second.
---@param id integer
function socket.close(id)
  local entry = sockets[id]
  if not entry then return end
  driver.close(id)
  local closer = running()
  while entry.is_open do
    entry.closers = entry.closers or {}
    entry.closers[closer] = true
    if not skynet.sleep(UNTOLD_CS, closer) and entry.is_open then
      entry.is_lost = true
      driver.start(id) -- of what is closed: the answer is an ERROR, whoever was the owner
    end
  end
  events.remove(entry)
end

---Closes a socket that this service has accepted but not started.
---@param id integer
function socket.close_fd(id)
  if sockets[id] then error(("socket %d is open in this service: use socket.close"):format(id), 2) end
  driver.close(id)
end

---Closes at once and drops what was written. Waits for nothing: close() then forgets the socket.
---@param id integer
function socket.shutdown(id)
  driver.shutdown(id)
end

---Forgets a socket that another service is going to start. Reading stops until then; what this service
---has got and not read, or still gets before it stops, is dropped.
---@param id integer
function socket.abandon(id)
  local entry = sockets[id]
  if not entry then return end
  if entry.kind == "tcp" and entry.is_open then driver.pause_own(id) end
  entry.is_open, entry.connected, entry.failure = false, false, "socket abandoned"
  events.remove(entry)
  events.wake_all(entry)
end

---Stops reading until somebody waits for data again. Without effect while somebody does.
---@param id integer
function socket.pause(id)
  local entry = sockets[id]
  if entry and entry.need == nil then events.pause(entry) end
end

---Closes the socket when more than so many bytes are unread. It bounds a single read or line, too.
---@param id integer
---@param bytes integer
function socket.limit(id, bytes)
  local entry = events.entry_of(id)
  if math.type(bytes) ~= "integer" or bytes < 1 then
    error(("socket.limit: %s bytes for socket %d"):format(tostring(bytes), id), 2)
  end
  entry.bytes_max = bytes
end

---@param id integer
---@return boolean is_invalid not open in this service
function socket.invalid(id)
  return sockets[id] == nil
end

---@param id integer
---@return boolean is_disconnected open in this service, but the connection has ended
function socket.disconnected(id)
  local entry = sockets[id]
  return entry ~= nil and not entry.connected and entry.opener == nil
end

---Calls `f(id, kib)` when so much output waits (1 MiB, then at each doubling), with 0 once it is sent.
---@param id integer
---@param f fun(id: integer, kib: integer)
function socket.warning(id, f)
  events.entry_of(id).on_warning = f
end

---Calls `f(id)` when the socket is closed, by whomever.
---@param id integer
---@param f fun(id: integer)
function socket.onclose(id, f)
  events.entry_of(id).on_close = f
end

return socket
