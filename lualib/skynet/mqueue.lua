-- Deprecated: skynet.queue does it inside of any handler. Messages of type queue, handled one at a time in their order.

local skynet = require "skynet"
local enter = require "skynet.queue" ()

local mqueue = {}
local handler
local waiting = 0

local function serve(session, ...)
  waiting = waiting - 1
  while not handler do skynet.wait(mqueue) end
  if session == 0 then
    handler(...)
  else
    skynet.retpack(handler(...))
  end
end

skynet.register_protocol {
  name = "queue",
  id = skynet.PTYPE_QUEUE,
  pack = skynet.pack,
  unpack = skynet.unpack,
  dispatch = function(session, _, ...)
    waiting = waiting + 1
    enter(serve, session, ...)
  end,
}

--- f(...) gets each message; what it returns is the answer to a call. Messages from before wait for it.
---@param f fun(...: any): ...
function mqueue.register(f)
  assert(type(f) == "function", "mqueue.register: a function is expected")
  assert(not handler, "mqueue: a handler is registered already")
  handler = f
  skynet.wakeup(mqueue)
end

---@param addr skynet.address
---@param ... any serializable
---@return ... what the handler there returned
function mqueue.call(addr, ...)
  return skynet.call(addr, "queue", ...)
end

---@param addr skynet.address
---@param ... any serializable
function mqueue.send(addr, ...)
  return skynet.send(addr, "queue", ...)
end

--- How many messages wait for the one that is handled now.
---@return integer
function mqueue.size()
  return waiting
end

return mqueue
