-- The requests of this node to one other node (contract 4.11): one connection, made when it is needed.
-- Arguments: the other node's name, the own one, host, port.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local core = require "skynet.cluster.core"
local setting = require "skyloom.setting"

local node, node_name, host, port = ...
port = tonumber(port)

local SWEEP_CS = 100 -- between two looks for calls that wait too long

local message_bytes_max = setting.bytes("cluster_message_max", 64 << 20)
local call_cs_max = setting.number("cluster_call_timeout", 60000) // 10
local half_silence_cs = setting.number("cluster_silence_timeout", 15000) // 20 -- 0: silence is no reason
local secret = skynet.getenv "cluster_secret"

---@class clustersender.call
---@field deadline integer? in cs
---@field total integer? bytes of an answer that comes in parts
---@field received integer? of them

local channel
local session = 1
local calls = {} ---@type table<integer, clustersender.call> by session
local is_sweeping = false
local heard        -- when the other node last said something, in cs; nil: no connection since it fell silent
local asked        -- when it was asked whether it is there; nil: it was not, or it has said something since

-- Answers -----------------------------------------------------------------------------------------

---Whether somebody still waits for what an answer or a part of it brings.
---@param call clustersender.call?
local function is_wanted(call, data, is_more)
  if not call then return false end -- it was given up
  if is_more and not call.total then
    if math.type(data) ~= "integer" then error("Invalid cluster packet: a part of nothing", 0) end
    call.total, call.received = data, 0
  elseif call.total then
    call.received = call.received + #data
    if call.received > call.total then error("Invalid cluster packet: more bytes than announced", 0) end
  end
  return true
end

---The next answer that somebody waits for; `data` is the total size, a part, or all of it.
local function next_answer(reader)
  while true do
    local packet = reader:read(socket.header(reader:read(2)))
    heard, asked = skynet.now(), nil
    local number, is_ok, data, is_more = core.unpackresponse(packet)
    local call = calls[number]
    if is_ok and is_more and call and not call.total and data > message_bytes_max then
      calls[number] = nil
      return number, false, ("an answer of %d bytes, the limit is %d"):format(data, message_bytes_max)
    end
    if is_wanted(call, data, is_more) then return number, is_ok, data, is_more end
  end
end

---Ends the calls that have waited for too long.
local function end_late_calls(now)
  for number, call in pairs(calls) do
    if call.deadline and now >= call.deadline then
      calls[number] = nil
      channel:give_up(number, ("no answer within %d ms"):format(call_cs_max * 10))
    end
  end
end

---Asks for a name that nobody has: any node answers that at once, Skynet's too.
local function ask()
  local packet, next_session = core.packrequest(0, session, skynet.packstring "")
  local number = session
  session = next_session
  calls[number] = {}
  pcall(channel.request, channel, packet, number)
  calls[number] = nil
end

---Calls wait and the other node says nothing: it is asked, and given up when it does not answer that either.
local function watch_silence(now)
  if half_silence_cs == 0 or not heard then return end
  if not asked then
    if now - heard < half_silence_cs then return end
    asked = now
    skynet.fork(ask)
  elseif now - asked >= half_silence_cs then
    heard, asked = nil, nil
    local why = ("node %s is silent for more than %d ms"):format(node, half_silence_cs * 20)
    for number in pairs(calls) do channel:give_up(number, why) end
    channel:changehost(host, port) -- the next request makes a new connection
  end
end

---Runs while calls wait.
local function sweep()
  local pause = half_silence_cs > 0 and math.max(1, math.min(SWEEP_CS, half_silence_cs // 2)) or SWEEP_CS
  if heard then heard = skynet.now() end
  while next(calls) do
    skynet.sleep(pause)
    local now = skynet.now()
    end_late_calls(now)
    watch_silence(now)
  end
  is_sweeping, asked = false, nil
end

---Whether a channel's request succeeded, and the answer: a string, or an array with the size and the parts.
local function request(packet, number, parts)
  local call = { deadline = call_cs_max > 0 and skynet.now() + call_cs_max or nil }
  calls[number] = call
  if not is_sweeping and (call_cs_max > 0 or half_silence_cs > 0) then
    is_sweeping = true
    skynet.fork(sweep)
  end
  local is_done, answer = pcall(channel.request, channel, packet, number, parts)
  calls[number] = nil
  return is_done, answer
end

-- The secret --------------------------------------------------------------------------------------

local function prove()
  local cluster_secret = require "skyloom.cluster_secret"
  local chance = cluster_secret.chance()
  local is_over = false
  skynet.timeout(setting.number("cluster_auth_timeout", 5000) // 10, function()
    if not is_over then channel:give_up(0, "the other side does not answer the question for the secret") end
  end)
  calls[0] = {}
  local is_done, reply = pcall(channel.request, channel, cluster_secret.hello(chance), 0)
  calls[0], is_over = nil, true
  if not is_done then error(reply, 0) end
  local proof = cluster_secret.answer(secret, chance, reply)
  if not proof then error(("cluster: node %s does not know the secret"):format(node), 0) end
  channel:request(proof)
end

-- Commands ----------------------------------------------------------------------------------------

---The tag of the other node's next request, when this one is traced.
local function send_trace()
  local tag = skynet.tracetag()
  if not tag then return end
  if tag:sub(1, 1) ~= "(" then
    local long_tag = ("(%s-%s-%d)%s"):format(node_name, node, session, tag)
    skynet.tracelog(tag, ("session %s"):format(long_tag))
    tag = long_tag
  end
  skynet.tracelog(tag, ("cluster %s"):format(node))
  channel:request(core.packtrace(tag))
end

---Runs on each new connection.
local function greet()
  if secret then prove() end
  heard, asked = skynet.now(), nil
end

local command = {}

---@param msg lightuserdata|string packed arguments; a block is taken
function command.req(address, msg, size)
  local number = session
  local packet, next_session, parts = core.packrequest(address, number, msg, size)
  session = next_session
  send_trace()
  local is_done, answer = request(packet, number, parts)
  if not is_done then
    skynet.error(("cluster: call of %s in node %s failed: %s"):format(address, node, tostring(answer)))
    return skynet.response()(false)
  end
  if type(answer) == "string" then return skynet.ret(answer) end
  local whole, bytes = core.concat(answer)
  if not whole then
    skynet.error(("cluster: the answer of %s in node %s is incomplete, or holds a pointer"):format(address, node))
    return skynet.response()(false)
  end
  skynet.ret(whole, bytes)
end

function command.push(address, msg, size)
  local packet, next_session, parts = core.packpush(address, session, msg, size)
  session = next_session
  local is_sent, err = pcall(channel.request, channel, packet, nil, parts)
  if not is_sent then
    skynet.error(("cluster: push to %s in node %s is lost: %s"):format(address, node, tostring(err)))
  end
end

---Another address, or false: no connection from now on. Answers when it is connected.
function command.changenode(new_host, new_port)
  if not new_host then
    skynet.error(("Close cluster sender %s:%s"):format(host, port))
    channel:close()
  else
    new_port = tonumber(new_port)
    if new_host ~= host or new_port ~= port then
      host, port = new_host, new_port
      channel:changehost(host, port)
    end
    channel:connect(true)
  end
  skynet.ret()
end

skynet.start(function()
  channel = socketchannel.channel {
    host = host,
    port = port,
    response = next_answer,
    auth = greet,
    nodelay = true,
  }
  skynet.dispatch("lua", function(_, _, name, ...)
    local f = command[name]
    if not f then error(("clustersender: unknown command %s"):format(tostring(name)), 0) end
    f(...)
  end)
end)
