-- A gate: one port, frames of 2 bytes of length (big-endian) and a payload, and a handler that gets them.
--
-- connections[fd]: `true` while the connection is open, `false` after the peer has closed it (it may
-- still be written to, and closeclient() frees the id). Those that are `true` are counted, and exactly
-- `maxclient` of them are admitted (D-53): one that is turned away was never in the table.
local skynet = require "skynet"
local netpack = require "skynet.netpack"
local driver = require "skynet.socketdriver"

local MAXCLIENT = 1024
local BACKLOG = 1024 -- clients may come all at once; those that find no room here try again a second later

---@class gateserver
local gateserver = {}

local connections = {} ---@type table<integer, boolean>
local client_count = 0
local is_leaving = {} ---@type table<integer, true> closed here, CLOSE is still to come
local is_opened = {} ---@type table<integer, true> its bytes come here
local is_routed = {} ---@type table<integer, true> its frames do not
local frames -- netpack's queue
local listener ---@type {id: integer, maxclient: integer, nodelay: boolean?, opener: thread?, address: string?, port: integer?, failure: string?}?

---Begins (or goes on) to read a client.
---@param fd integer
function gateserver.openclient(fd)
  if not connections[fd] then return end
  if not is_routed[fd] then is_opened[fd] = true end
  driver.start(fd)
end

---Lets the engine cut a client's frames and send them straight to a service, past this one: as messages of this
---type and source (0: this gate) with the client's number as session. Begins to read the client. Nothing happens
---(false) to a client that was opened before: its frames would overtake those that wait here.
---@param fd integer
---@param to integer
---@param source integer
---@param message_type integer
---@return boolean
function gateserver.routeclient(fd, to, source, message_type)
  if not connections[fd] or is_opened[fd] then return false end
  if not is_routed[fd] then
    is_routed[fd] = true
    driver.cut_frames(fd)
  end
  driver.route(fd, to, source, message_type, fd)
  driver.start(fd)
  return true
end

---Closes a client; what was written is still sent. handler.disconnect follows, unless it was called before.
---@param fd integer
function gateserver.closeclient(fd)
  local is_open = connections[fd]
  if is_open == nil then return end
  driver.close(fd)
  if is_open then
    is_leaving[fd] = true
  else
    connections[fd] = nil
  end
end

---@class gateserver.handler
---@field message fun(fd: integer, msg: lightuserdata, size: integer) one frame; the handler owns the block
---@field connect fun(fd: integer, address: string) a client was accepted; openclient() reads it
---@field open? fun(source: integer, conf: table): ... the port is open; returns the answer to `open`
---@field disconnect? fun(fd: integer)
---@field error? fun(fd: integer, text: string) the connection broke and is shut down
---@field warning? fun(fd: integer, kib: integer) so much output waits; 0: none any more
---@field command? fun(name: string, source: integer, ...): ... what is neither `open` nor `close`
---@field embed? boolean the service has called skynet.start() itself

local function deliver(handler, fd, msg, size)
  if connections[fd] and not is_leaving[fd] then
    handler.message(fd, msg, size)
  else
    skynet.trash(msg, size) -- came before its client was closed
  end
end

---Delivers the frames that wait. When the handler waits or fails in the middle, another coroutine goes on.
local function deliver_all(handler)
  local fd, msg, size = netpack.pop(frames)
  if not fd then return end
  skynet.fork(deliver_all, handler)
  repeat
    deliver(handler, fd, msg, size)
    fd, msg, size = netpack.pop(frames)
  until not fd
end

local function events_for(handler)
  local on_event = {}

  function on_event.data(fd, msg, size)
    deliver(handler, fd, msg, size)
  end

  function on_event.more()
    deliver_all(handler)
  end

  function on_event.open(fd, address)
    if not listener or client_count >= listener.maxclient then
      driver.shutdown(fd)
      return
    end
    if listener.nodelay then driver.nodelay(fd) end
    connections[fd] = true
    client_count = client_count + 1
    handler.connect(fd, address)
  end

  function on_event.close(fd)
    if listener and fd == listener.id then
      listener = nil
    elseif connections[fd] then
      client_count = client_count - 1
      connections[fd], is_opened[fd], is_routed[fd] = nil, nil, nil
      if not is_leaving[fd] then connections[fd] = false end
      is_leaving[fd] = nil
      if handler.disconnect then handler.disconnect(fd) end
    end
  end

  function on_event.error(fd, text)
    if listener and fd == listener.id then
      skynet.error("gateserver accept error:", text)
      if listener.opener then
        listener.failure = text
        skynet.wakeup(listener.opener)
      end
    elseif connections[fd] then
      driver.shutdown(fd)
      is_leaving[fd] = true -- CLOSE follows, and frees the id
      if handler.error then handler.error(fd, text) end
    end
  end

  function on_event.warning(fd, kib)
    if handler.warning then handler.warning(fd, kib) end
  end

  function on_event.init(id, address, port)
    if listener and id == listener.id and listener.opener then
      listener.address, listener.port = address, port
      skynet.wakeup(listener.opener)
    end
  end

  return on_event
end

---Waits for the port that the system has bound.
local function listen(conf)
  local address, port, maxclient = conf.address or "0.0.0.0", conf.port, conf.maxclient or MAXCLIENT
  if not port then error("gate: `open` needs a port") end
  if math.type(maxclient) ~= "integer" or maxclient < 1 then
    error(("gate: maxclient is a number of clients, not %s"):format(tostring(maxclient)))
  end
  skynet.error(("Listen on %s:%s"):format(address, port))
  listener = {
    id = driver.listen(address, port, conf.backlog or BACKLOG),
    maxclient = maxclient,
    nodelay = conf.nodelay,
    opener = coroutine.running(),
  }
  local opening = listener
  repeat
    skynet.wait(opening.opener)
  until opening.port or opening.failure
  opening.opener = nil
  if opening.failure then
    listener = nil
    error(("gate: can't listen on %s:%s: %s"):format(address, port, opening.failure))
  end
  conf.address, conf.port = opening.address, opening.port
  driver.start(opening.id)
end

local function commands_for(handler)
  local command = {}

  function command.open(source, conf)
    if listener then error("gate: it is open already") end
    if type(conf) ~= "table" then error(("gate: `open` needs a table, not a %s"):format(type(conf))) end
    listen(conf)
    if handler.open then return handler.open(source, conf) end
    return conf.address, conf.port
  end

  function command.close()
    if not listener or listener.opener then error("gate: it is not open") end
    driver.close(listener.id)
    listener = nil
  end

  return command
end

---Makes this service a gate.
---@param handler gateserver.handler
function gateserver.start(handler)
  assert(handler.message, "gateserver: the handler needs a function `message`")
  assert(handler.connect, "gateserver: the handler needs a function `connect`")
  local on_event, command = events_for(handler), commands_for(handler)

  skynet.register_protocol {
    name = "socket",
    id = skynet.PTYPE_SOCKET,
    unpack = function(msg, size) return netpack.filter(frames, msg, size) end,
    dispatch = function(_, _, queue, event, ...)
      frames = queue
      if event then on_event[event](...) end
    end,
  }

  local function init()
    skynet.dispatch("lua", function(_, source, name, ...)
      local f = command[name]
      if f then
        skynet.retpack(f(source, ...))
      elseif handler.command then
        skynet.retpack(handler.command(name, source, ...))
      else
        error(("gate: unknown command %s"):format(tostring(name)))
      end
    end)
  end

  if handler.embed then init() else skynet.start(init) end
end

return gateserver
