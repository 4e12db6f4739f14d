-- One connection from another node of the cluster: takes its requests, sends the answers (contract 4.11).
--
-- What the other side sends is believed nowhere: packets are read in C++, a wrong one ends this connection
-- and nothing else, and what is unfinished or unanswered has limits.
local skynet = require "skynet"
local socket = require "skynet.socket"
local core = require "skynet.cluster.core"
local setting = require "skyloom.setting"

local clusterd, gate, fd = ...
clusterd, gate, fd = tonumber(clusterd), tonumber(gate), tonumber(fd)

local SWEEP_CS = 100 -- between two looks for large requests that are too old

local message_bytes_max = setting.bytes("cluster_message_max", 64 << 20)
local pending_max = setting.number("cluster_pending_max", 1024)
local pending_bytes_max = setting.bytes("cluster_pending_bytes", 256 << 20)
local pending_cs_max = setting.number("cluster_pending_timeout", 30000) // 10
local requests_max = setting.number("cluster_requests_max", 65536) -- unanswered at a time; each has a coroutine
local exported_only = setting.switch "cluster_exported_only"
local secret = skynet.getenv "cluster_secret"

local is_ending = false
local is_trusted = not secret
local expected      -- the other side's proof
local trace_tag     -- of the next request
local request_count = 0

---Wrong bytes, or too many: the connection ends, with one line in the log.
local function give_up(why)
  if is_ending then return end
  is_ending = true
  skynet.error(("cluster: connection %d ends: %s"):format(fd, why))
  skynet.send(gate, "lua", "kick", fd) -- clusterd hears of it, and says `exit`
end

local function answer(session, is_ok, msg, size)
  if is_ending then return end
  local packet = core.packresponse(session, is_ok, msg, size)
  if type(packet) == "string" then
    socket.write(fd, packet)
    return
  end
  for _, part in ipairs(packet) do socket.lwrite(fd, part) end -- small answers pass between them
end

-- Names ------------------------------------------------------------------------------------------

local handles = {} -- name -> handle; forgotten when any name changes

---The service of an exported name, or nil. Requests to a name that is asked for wait, and go on in their order.
---@param name string "@name"
---@return integer?
local function handle_of(name)
  local known = handles
  local entry = known[name]
  if type(entry) == "number" then return entry end
  if entry then
    local token = {}
    entry[#entry + 1] = token
    skynet.wait(token)
    return token.handle
  end
  local waiting = {}
  known[name] = waiting
  local is_done, handle = pcall(skynet.call, clusterd, "lua", "queryname", name:sub(2))
  if not is_done then handle = nil end
  known[name] = handle -- an unknown one is asked for again
  for _, token in ipairs(waiting) do
    token.handle = handle
    skynet.wakeup(token)
  end
  return handle
end

local function is_exported(handle)
  return math.type(handle) == "integer" and skynet.call(clusterd, "lua", "isexported", handle)
end

---Whom the other side means; nil: nobody that it may call.
local function callee_of(address)
  if core.isname(address) then return handle_of(address) end
  if exported_only and not is_exported(address) then return nil end
  return address
end

-- Whole requests -----------------------------------------------------------------------------------

---@class clusteragent.request
---@field address integer|string
---@field session integer
---@field is_push boolean?
---@field tag string? of its trace

---Address 0: the handle of an exported name.
local function answer_query(session, msg, size)
  local is_done, name = pcall(skynet.unpack, msg, size)
  skynet.trash(msg, size)
  if session == 0 then return end
  local handle = is_done and type(name) == "string" and handle_of("@" .. name)
  if handle then
    answer(session, true, skynet.packstring(handle))
  else
    answer(session, false, "name not found")
  end
end

local function call(callee, tag, msg, size)
  if tag then return skynet.tracecall(tag, callee, "lua", msg, size) end
  return skynet.rawcall(callee, "lua", msg, size)
end

---Whether callee_of() answers without waiting.
local function is_known(address)
  if core.isname(address) then return type(handles[address]) == "number" end
  return not exported_only
end

---@param request clusteragent.request
local function serve(request, msg, size)
  if request.address == 0 then return answer_query(request.session, msg, size) end
  if not is_known(request.address) then -- the connection may end meanwhile: nobody would free a block
    local bytes = skynet.tostring(msg, size)
    skynet.trash(msg, size)
    msg, size = bytes, #bytes
  end
  local callee = callee_of(request.address)
  if not callee then
    skynet.trash(msg, size)
    if request.is_push then
      skynet.error(("cluster: push to invalid name %s dropped"):format(request.address))
    else
      answer(request.session, false, "Invalid name")
    end
  elseif request.is_push then
    skynet.rawsend(callee, "lua", msg, size)
  else
    answer(request.session, pcall(call, callee, request.tag, msg, size))
  end
end

---@param request clusteragent.request
local function serve_counted(request, msg, size)
  if request_count >= requests_max then
    skynet.trash(msg, size)
    return give_up(("%d requests wait for their answers"):format(requests_max))
  end
  request_count = request_count + 1
  local is_done, err = pcall(serve, request, msg, size)
  request_count = request_count - 1
  if not is_done then error(err, 0) end
end

---@param request clusteragent.request
local function refuse(request, why)
  if request.is_push then
    skynet.error(("cluster: push to %s dropped: %s"):format(request.address, why))
  else
    answer(request.session, false, why)
  end
end

-- Requests in parts --------------------------------------------------------------------------------

---@class clusteragent.large: clusteragent.request
---@field [integer] any its size and its parts, as core.append collects them
---@field received integer? bytes of the parts
---@field begin integer when it began, in cs
---@field why_not string? it is refused: its parts are thrown away

local large = {} ---@type table<integer, clusteragent.large> by session
local large_count = 0
local large_bytes = 0
local is_sweeping = false

---@param request clusteragent.large
local function forget_parts(request, why)
  large_bytes = large_bytes - (request.received or 0)
  for place = #request, 1, -1 do request[place] = nil end
  request.received, request.why_not = 0, why
end

---@param request clusteragent.large
local function remove(request)
  large[request.session] = nil
  large_count = large_count - 1
  large_bytes = large_bytes - (request.received or 0)
end

---Runs while something is unfinished.
local function sweep()
  is_sweeping = true
  while large_count > 0 do
    skynet.sleep(SWEEP_CS)
    local now = skynet.now()
    for _, request in pairs(large) do
      if now - request.begin >= pending_cs_max then
        remove(request)
        refuse(request, "Invalid large req: unfinished for too long")
      end
    end
  end
  is_sweeping = false
end

---@param request clusteragent.large
local function begin_large(request, size)
  if large[request.session] then
    return give_up(("large request %d begins before the one of this session has ended"):format(request.session))
  end
  if large_count >= pending_max then return end -- its last part is going to be refused
  request.begin = skynet.now()
  large[request.session] = request
  large_count = large_count + 1
  if not is_sweeping and pending_cs_max > 0 then skynet.fork(sweep) end
  if size > message_bytes_max then
    request.why_not = ("Invalid large req: %d bytes, the limit is %d"):format(size, message_bytes_max)
  else
    core.append(request, nil, size)
  end
end

---@param request clusteragent.large
local function add_part(request, msg, size)
  if not request.why_not and large_bytes + size > pending_bytes_max then
    forget_parts(request, ("Invalid large req: more than %d bytes are unfinished"):format(pending_bytes_max))
  end
  if request.why_not then return skynet.trash(msg, size) end
  if not pcall(core.append, request, msg, size) then
    return forget_parts(request, "Invalid large req: more bytes than announced")
  end
  large_bytes = large_bytes + size
end

local function on_part(session, msg, size, is_more)
  local request = large[session]
  if not request then
    skynet.trash(msg, size)
    if not is_more then answer(session, false, "Invalid large req") end
    return
  end
  add_part(request, msg, size)
  if is_more then return end
  remove(request)
  if request.why_not then return refuse(request, request.why_not) end
  local whole, bytes = core.concat(request)
  if not whole then return refuse(request, "Invalid large req") end
  serve_counted(request, whole, bytes)
end

-- Packets -----------------------------------------------------------------------------------------

local function on_packet(address, session, msg, size, is_more, is_push)
  if session == nil then
    trace_tag = address
  elseif address == false then
    on_part(session, msg, size, is_more)
  else
    local request = { address = address, session = session, is_push = is_push, tag = trace_tag }
    trace_tag = nil
    if is_more then
      begin_large(request, size)
    elseif msg then
      serve_counted(request, msg, size)
    else
      refuse(request, "a pointer of another process is no value here")
    end
  end
end

---Before anything else the other side proves that it knows the secret.
local function greet(packet)
  local cluster_secret = require "skyloom.cluster_secret"
  if expected then
    is_trusted = cluster_secret.is_same(packet, expected)
    if not is_trusted then give_up "the other side does not know the secret" end
    return
  end
  local reply
  reply, expected = cluster_secret.welcome(secret, packet)
  if not reply then return give_up "the other side does not ask for the secret" end
  answer(0, true, reply)
end

local function check_packet(is_valid, address, ...)
  if is_valid then return on_packet(address, ...) end
  give_up(address) -- what is wrong with it
end

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = function(msg, size) return msg, size end,
  dispatch = function(_, source, msg, size)
    skynet.ignoreret() -- the session is the connection's number
    if is_ending or source ~= gate then return end
    if not is_trusted then return greet(skynet.tostring(msg, size)) end
    check_packet(pcall(core.unpackrequest, msg, size))
  end,
}

-- Commands ----------------------------------------------------------------------------------------

local command = {}

---The connection is gone.
function command.exit()
  is_ending = true
  skynet.exit()
end

function command.namechange()
  handles = {}
end

skynet.start(function()
  skynet.dispatch("lua", function(_, source, name, ...)
    local f = source == clusterd and command[name]
    if not f then error(("clusteragent: unknown command %s"):format(tostring(name))) end
    f(...)
  end)
  if secret then
    skynet.timeout(setting.number("cluster_auth_timeout", 5000) // 10, function()
      if not is_trusted then give_up "the other side did not prove in time that it knows the secret" end
    end)
  end
  -- The first frames come before this returns.
  if not pcall(skynet.call, gate, "lua", "forward", fd) then skynet.exit() end
end)
