-- A library of Skynet's shape that is not ours: callback, sessions and coroutines over skynet.core, and nothing else.
local core = require "skynet.core"
local profile = require "skynet.profile"

local skynet = { PTYPE_CLIENT = 3, PTYPE_SOCKET = 6, pack = core.pack, packstring = core.packstring, unpack = core.unpack,
  tostring = core.tostring, trash = core.trash, error = core.error, now = core.now }
local TEXT, RESPONSE, ERROR, LUA = 0, 1, 7, 10

local protocols = {}  -- by name and by id
local waiting = {}  -- session -> coroutine
local callees = {}  -- session -> who is to answer
local sleeping = {}  -- token -> session
local requests = {}  -- coroutine -> what it has to answer
local ready = {}  -- forked and woken, in order

local function run(co, ...)
  local is_done, err = profile.resume(co, ...)
  if is_done then return end
  local request = requests[co]
  if request and request.session ~= 0 then core.send(request.source, ERROR, request.session, "") end
  requests[co] = nil
  local text = debug.traceback(co, tostring(err))
  coroutine.close(co)
  core.error(text)
end

local function run_ready()
  while ready[1] do run(table.unpack(table.remove(ready, 1))) end
end

local function fail_calls(session, source)
  for number, callee in pairs(callees) do
    if number == session or session == 0 and callee == source then
      ready[#ready + 1] = { waiting[number], false }
      waiting[number], callees[number] = nil, nil
    end
  end
end

local function on_request(protocol, session, source, ...)
  local co = coroutine.running()
  requests[co] = { session = session, source = source }
  protocol.dispatch(session, source, ...)
  requests[co] = nil
end

local function handle(kind, message, size, session, source)
  if kind == ERROR then return fail_calls(session, source) end
  if kind == RESPONSE then
    local co = waiting[session]
    waiting[session], callees[session] = nil, nil
    return co and run(co, true, message, size)
  end
  local protocol = protocols[kind]
  if protocol and protocol.dispatch then
    return run(coroutine.create(on_request), protocol, session, source, protocol.unpack(message, size))
  end
  if session ~= 0 then core.send(source, ERROR, session, "") end
end

function skynet.dispatch_message(...)
  local is_done, err = pcall(handle, ...)
  run_ready()
  if not is_done then error(err, 0) end
end

-- --- requests

function skynet.register_protocol(protocol)
  protocols[protocol.name], protocols[protocol.id] = protocol, protocol
end
skynet.register_protocol { name = "lua", id = LUA, pack = core.pack, unpack = core.unpack }

function skynet.dispatch(name, f) protocols[name].dispatch = f end

local function await(session, callee)
  waiting[session], callees[session] = coroutine.running(), callee
  return coroutine.yield()
end

function skynet.rawcall(address, name, message, size)
  local session = core.send(address, protocols[name].id, nil, message, size)
  if not session then error(("call to invalid address %s"):format(address)) end
  local is_answered, answer, answer_size = await(session, address)
  if not is_answered then error "call failed" end
  return answer, answer_size
end

function skynet.call(address, name, ...) return core.unpack(skynet.rawcall(address, name, core.pack(...))) end
function skynet.rawsend(address, name, ...) return core.send(address, protocols[name].id, 0, ...) end
function skynet.send(address, name, ...) return skynet.rawsend(address, name, core.pack(...)) end
function skynet.redirect(to, source, name, ...) return core.redirect(to, source, protocols[name].id, ...) end

function skynet.tracecall(tag, address, name, message, size)
  core.trace(tag, "tracecall begin")
  return skynet.rawcall(address, name, message, size)
end

function skynet.ret(message, size)
  local request = requests[coroutine.running()]
  requests[coroutine.running()] = nil
  if request.session ~= 0 then return core.send(request.source, RESPONSE, request.session, message, size) end
  core.trash(message, size)
end
function skynet.retpack(...) return skynet.ret(core.pack(...)) end
function skynet.ignoreret() requests[coroutine.running()] = nil end

--- A function that answers the request later, if it is told so.
function skynet.response()
  local request = requests[coroutine.running()]
  skynet.ignoreret()
  return function(is_done, ...)
    core.send(request.source, is_done and RESPONSE or ERROR, request.session, is_done and core.packstring(...) or "")
  end
end

-- --- coroutines and time

function skynet.fork(f, ...)
  ready[#ready + 1] = { coroutine.create(f), ... }
end

function skynet.sleep(cs) await(assert(core.intcommand("TIMEOUT", cs))) end

function skynet.wait(token)
  local session = core.genid()
  sleeping[token] = session
  await(session)
end

function skynet.wakeup(token)
  local session = sleeping[token]
  if not session then return false end
  sleeping[token] = nil
  ready[#ready + 1] = { waiting[session], true }
  waiting[session] = nil
  return true
end

-- --- services

function skynet.self() return core.addresscommand "REG" end
function skynet.address(handle) return (":%08x"):format(handle) end
function skynet.getenv(key) return core.command("GETENV", key) end
function skynet.launch(...) return core.addresscommand("LAUNCH", table.concat({ ... }, " ")) end
function skynet.newservice(...) return skynet.call(".launcher", "lua", "LAUNCH", ...) end
function skynet.kill(handle) core.command("KILL", skynet.address(handle)) end
function skynet.name(name, handle) core.command("NAME", name .. " " .. skynet.address(handle)) end

function skynet.exit()
  for _, request in pairs(requests) do
    if request.session ~= 0 then core.send(request.source, ERROR, request.session, "") end
  end
  core.command "EXIT"
  coroutine.yield()
end

local function start(f)
  local is_done, err = xpcall(f, debug.traceback)
  core.send(".launcher", TEXT, 0, is_done and "" or "ERROR")
  if is_done then return end
  core.error(err)
  skynet.exit()
end

local function begin(f)
  waiting[core.intcommand("TIMEOUT", 0)] = coroutine.create(function() start(f) end)
end

--- With a callback of its own, which frees each message.
function skynet.start_forwarding(callback, f)
  core.callback(callback, true)
  begin(f)
end

function skynet.start(f)
  core.callback(skynet.dispatch_message)
  begin(f)
end

return skynet
