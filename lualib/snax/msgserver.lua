-- A message server behind a login server: clients with a secret, requests with numbers, and answers that
-- are still there when a client comes back on another connection (contract 5.4).
--
-- Frames have 2 bytes of length (big-endian). The first one of a connection is `username:index:base64(hmac)`,
-- hmac = hmac_hash(secret, "username:index") or, with the secret of a current login (32 bytes), hmac_sha256 of the
-- same, and the index grows with each connection; the answer is
-- `200 OK`, `400 Bad Request`, `401 Unauthorized`, `403 Index Expired` or `404 User Not Found`. Then a request
-- is a payload and 4 bytes of session (big-endian); its answer is a payload, 1 (0: it failed) and the session.
local skynet = require "skynet"
local gateserver = require "snax.gateserver"
local netpack = require "skynet.netpack"
local crypt = require "skynet.crypt"
local driver = require "skynet.socketdriver"
local is_same = require("skyloom.cluster_secret").is_same

local CURRENT_SECRET_BYTES = 32 -- else 8
local EXPIRED_NUMBER = 128   -- answers that are kept per user
local PENDING_MAX = 4096     -- requests of a user whose answers are not made yet
local ANSWER_BYTES_MAX = 65535 - 5

---@class msgserver
local server = {}

---@class msgserver.user
---@field username string
---@field secret string
---@field version integer the index of the last connection
---@field requests integer how many there were
---@field pending integer how many of them have no answer yet
---@field answers table<integer, msgserver.answer> by session
---@field fd integer?
---@field address string? of the connection

---@class msgserver.answer
---@field fd integer? where it is to go
---@field frame string? nil: it is not made yet
---@field version integer the connection that asked last
---@field number integer which request that was

local users = {} ---@type table<string, msgserver.user> by username
local user_of = {} ---@type table<integer, msgserver.user> by connection
local greeting = {} ---@type table<integer, string> connections that have not said who they are: address
local expired_number = EXPIRED_NUMBER

-- Usernames -----------------------------------------------------------------------------------------

---@param username string
---@return string uid, string subid, string servername
function server.userid(username)
  local uid, servername, subid = username:match "([^@]*)@([^#]*)#(.*)"
  if not uid then error(("%q is no username: it should be uid@server#subid"):format(username), 2) end
  return crypt.base64decode(uid), crypt.base64decode(subid), crypt.base64decode(servername)
end

---@param uid string
---@param subid string|integer
---@param servername string
---@return string username
function server.username(uid, subid, servername)
  return ("%s@%s#%s"):format(crypt.base64encode(uid), crypt.base64encode(servername), crypt.base64encode(tostring(subid)))
end

-- Users ---------------------------------------------------------------------------------------------

---The user may connect from now on.
---@param username string
---@param secret string 8 or 32 bytes, from the login server
function server.login(username, secret)
  if users[username] then error(("msgserver: %s is logged in already"):format(username), 2) end
  users[username] = { username = username, secret = secret, version = 0, requests = 0, pending = 0, answers = {} }
end

---The connection of a user is his no longer.
local function detach(user)
  local fd = user.fd
  if not fd then return end
  user.fd, user.address = nil, nil
  user_of[fd] = nil
  gateserver.closeclient(fd)
end

---The user may not connect any more; his connection is closed.
---@param username string
function server.logout(username)
  local user = users[username]
  if not user then return end
  users[username] = nil
  detach(user)
end

---@param username string
---@return string? address of his connection
function server.ip(username)
  local user = users[username]
  return user and user.address
end

-- Greetings -----------------------------------------------------------------------------------------

---Why not, or the user and his index.
local function recognise(text)
  local username, index, hmac = text:match "^([^:]*):(%d+):([^:]*)$"
  if not username then return "400 Bad Request" end
  local number = math.tointeger(tonumber(index))
  local has_hmac, bytes = pcall(crypt.base64decode, hmac)
  if not number or not has_hmac then return "400 Bad Request" end
  local user = users[username]
  if not user then return "404 User Not Found" end
  if number <= user.version then return "403 Index Expired" end
  local hash = #user.secret == CURRENT_SECRET_BYTES and crypt.hmac_sha256 or crypt.hmac_hash
  if not is_same(bytes, hash(user.secret, ("%s:%s"):format(username, index))) then return "401 Unauthorized" end
  return nil, user, number
end

local function greet(fd, address, text)
  local why_not, user, index = recognise(text)
  greeting[fd] = nil
  driver.send(fd, netpack.pack(why_not or "200 OK"))
  if why_not then
    skynet.error(("client %d (%s): %s"):format(fd, address, why_not))
    return gateserver.closeclient(fd)
  end
  detach(user)
  user.version, user.fd, user.address = index, fd, address
  user_of[fd] = user
end

-- Requests ------------------------------------------------------------------------------------------

---Drops the answers that are older than the last `expired_number` requests, and no longer wanted.
local function retire(user)
  if user.requests < expired_number * 2 then return end
  local oldest = user.requests - expired_number
  user.requests = expired_number
  for session, answer in pairs(user.answers) do
    if not answer.frame then
      answer.number = math.max(answer.number - oldest, 0)
    elseif answer.number < oldest then
      user.answers[session] = nil
    else
      answer.number = answer.number - oldest
    end
  end
end

local function frame_of(session, is_ok, result)
  if is_ok and #result > ANSWER_BYTES_MAX then
    is_ok, result = false, ("msgserver: an answer of %d bytes, the limit is %d"):format(#result, ANSWER_BYTES_MAX)
  end
  if is_ok then return string.pack(">s2", result .. string.pack(">BI4", 1, session)) end
  skynet.error(result)
  return string.pack(">s2", string.pack(">BI4", 0, session))
end

---Sends an answer to whom asked for it last.
local function deliver(answer)
  local fd = answer.fd
  answer.fd = nil
  if fd and user_of[fd] then driver.send(fd, answer.frame) end
end

---@param user msgserver.user
local function ask(handler, user, session, payload, answer)
  user.pending = user.pending + 1
  local is_ok, result = pcall(handler, user.username, payload)
  user.pending = user.pending - 1
  answer.frame = frame_of(session, is_ok, is_ok and tostring(result or "") or tostring(result))
end

---@param user msgserver.user
local function request(handler, user, fd, text)
  if #text < 4 then
    skynet.error(("client %d: a request of %d bytes has no session"):format(fd, #text))
    return gateserver.closeclient(fd)
  end
  local session, payload = string.unpack(">I4", text, -4), text:sub(1, -5)
  local answer = user.answers[session]
  if answer and answer.version == user.version then -- on one connection a session may be used again
    if not answer.frame then
      skynet.error(("client %d: Conflict session %d: the first request has no answer yet"):format(fd, session))
      return gateserver.closeclient(fd)
    end
    answer = nil
  end
  user.requests = user.requests + 1
  local is_new = not answer
  answer = answer or {}
  answer.fd, answer.version, answer.number = fd, user.version, user.requests
  user.answers[session] = answer
  if is_new then
    if user.pending >= PENDING_MAX then
      user.answers[session] = nil
      skynet.error(("client %d: %d requests wait for their answers"):format(fd, PENDING_MAX))
      return gateserver.closeclient(fd)
    end
    ask(handler, user, session, payload, answer)
  elseif not answer.frame then
    return -- it is being made
  end
  deliver(answer)
  retire(user)
end

-- The service ---------------------------------------------------------------------------------------

---@class msgserver.conf
---@field login_handler fun(uid: string, secret: string, ...): string|integer the command `login`: -> subid
---@field logout_handler fun(uid: string, subid: string) the command `logout`
---@field kick_handler fun(uid: string, subid: string) the command `kick`
---@field request_handler fun(username: string, payload: string): string? raises: the client hears of a failure
---@field register_handler fun(servername: string): ... the port is open; the name is that of the command `open`
---@field disconnect_handler fun(username: string)? a connection of a user was lost
---@field expired_number integer? answers that are kept per user, 128 by default

---Makes this service a message server. It begins with the command `open` of snax.gateserver, whose table
---also has `servername`.
---@param conf msgserver.conf
function server.start(conf)
  for _, name in ipairs { "login_handler", "logout_handler", "kick_handler", "request_handler", "register_handler" } do
    assert(conf[name], "msgserver: it needs a " .. name)
  end
  -- A request handler passes requests on with skynet.rawcall(agent, "client", payload).
  if not require("skyloom.scheduler").protocols().client then
    skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT }
  end
  expired_number = conf.expired_number or EXPIRED_NUMBER
  local handshake_cs = require("skyloom.setting").number("handshake_timeout", 5000) // 10
  local command = { login = conf.login_handler, logout = conf.logout_handler, kick = conf.kick_handler }
  local handler = {}

  function handler.command(name, _, ...)
    local f = command[name] or error(("msgserver: unknown command %s"):format(tostring(name)), 0)
    return f(...)
  end

  function handler.open(_, settings)
    conf.register_handler(assert(settings.servername, "msgserver: `open` needs a servername"))
    return settings.address, settings.port
  end

  function handler.connect(fd, address)
    greeting[fd] = address
    gateserver.openclient(fd)
    if handshake_cs == 0 then return end
    skynet.timeout(handshake_cs, function()
      if greeting[fd] ~= address then return end
      greeting[fd] = nil
      gateserver.closeclient(fd)
    end)
  end

  function handler.message(fd, msg, size)
    local text = netpack.tostring(msg, size)
    local user, address = user_of[fd], greeting[fd]
    if user then
      request(conf.request_handler, user, fd, text)
    elseif address then
      greet(fd, address, text)
    end -- else it has been replaced, and is being closed
  end

  function handler.disconnect(fd)
    greeting[fd] = nil
    local user = user_of[fd]
    if user then
      detach(user)
      if conf.disconnect_handler then conf.disconnect_handler(user.username) end
    else
      gateserver.closeclient(fd)
    end
  end

  handler.error = handler.disconnect

  gateserver.start(handler)
end

return server
