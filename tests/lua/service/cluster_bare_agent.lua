-- A connection's agent in the manner of Skynet's own: the functions of skynet.cluster.core, called as they are
-- called there, behind a gate of our library.
local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.cluster.core"

local gate, fd, callee = ...
gate, fd, callee = tonumber(gate), tonumber(fd), tonumber(callee)

local large = {}
local trace_tag

local function respond(session, ok, msg, size)
  local response = core.packresponse(session, ok, msg, size)
  if type(response) == "table" then
    for _, part in ipairs(response) do socket.lwrite(fd, part) end
  else
    socket.write(fd, response)
  end
end

local function serve(address, session, msg, size, is_push, tag)
  if address == 0 then
    local name = skynet.unpack(msg, size)
    skynet.trash(msg, size)
    if name == "sdb" then return respond(session, true, skynet.packstring(callee)) end
    return respond(session, false, "name not found")
  end
  if core.isname(address) then
    if address ~= "@sdb" then
      skynet.trash(msg, size)
      return respond(session, false, "Invalid name")
    end
    address = callee
  end
  if is_push then return skynet.rawsend(address, "lua", msg, size) end
  if tag then return respond(session, pcall(skynet.tracecall, tag, address, "lua", msg, size)) end
  respond(session, pcall(skynet.rawcall, address, "lua", msg, size))
end

local function on_packet(_, _, address, session, msg, size, padding, is_push)
  skynet.ignoreret()
  if session == nil then
    trace_tag = address
    return
  end
  if padding then
    local request = large[session] or { address = address, is_push = is_push, tag = trace_tag }
    trace_tag = nil
    large[session] = request
    core.append(request, msg, size)
    return
  end
  local tag = trace_tag
  trace_tag = nil
  local request = large[session]
  if request then
    large[session] = nil
    core.append(request, msg, size)
    msg, size = core.concat(request)
    address, is_push, tag = request.address, request.is_push, request.tag
  end
  if not msg then return respond(session, false, "Invalid large req") end
  serve(address, session, msg, size, is_push, tag)
end

skynet.start(function()
  skynet.register_protocol {
    name = "client",
    id = skynet.PTYPE_CLIENT,
    unpack = core.unpackrequest,
    dispatch = on_packet,
  }
  skynet.dispatch("lua", function() skynet.exit() end)
  skynet.call(gate, "lua", "forward", fd)
end)
