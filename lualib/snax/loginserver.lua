-- A login server: `require "snax.loginserver" (conf)` is a whole service (contract 5.4).
--
-- A client speaks lines. Its bytes travel as base64:
--   server   8 random bytes, the challenge
--   client   dhexchange(client key)
--   server   dhexchange(server key)            both sides: secret = dhsecret(the other's, own key)
--   client   hmac64(challenge, secret)
--   client   desencode(secret, token)
--   server   `200 ` and the subid; or 400 Bad Request, 401 Unauthorized, 403 Forbidden, 406 Not Acceptable
--
-- These algorithms are as weak as they are old. A current client (snax.loginclient) answers the challenge with a
-- line that no old one sends, and gets X25519, HMAC-SHA256 and ChaCha20-Poly1305 instead: docs/guide/login.md.
--
-- The service is a master, which listens and logs in, and some copies of it, which do the sums.
local skynet = require "skynet"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"

local INPUT_BYTES_MAX = 8192 -- unread, or in one line

---@class loginserver.conf
---@field host string?
---@field port integer|string
---@field instance integer? copies that do the handshakes, 8 by default
---@field multilogin boolean? a user may log in while a login of his is under way
---@field name string? the master is ".name"; ".login" by default
---@field auth_handler fun(token: string): string, string runs in a copy: the server and the user of a token; raises
---  (401) for a wrong one
---@field login_handler fun(server: string, uid: string, secret: string): string|integer runs in the master: the
---  subid; raises (403) when the user may not enter. The secret has 8 bytes, of a current client 32
---@field command_handler fun(command: string, ...): ... what other services call the master for
---@field refuse_old boolean? only current clients may log in
---@field key string? 32 bytes, secret: current clients that know its public side (crypt.x25519(key)) talk to no
---  other server

local gone = {} -- raised when the client is

-- The copies ----------------------------------------------------------------------------------------

local function read(fd)
  local line = socket.readline(fd) or error(gone)
  if #line > INPUT_BYTES_MAX then -- it came at once
    error(("a line of %d bytes, the limit is %d"):format(#line, INPUT_BYTES_MAX), 0)
  end
  return line
end

local function write(fd, line)
  if not socket.write(fd, line .. "\n") then error(gone) end
end

local function check_8(bytes, what)
  if #bytes ~= 8 then error(("%s of %d bytes"):format(what, #bytes), 0) end
  return bytes
end

---The secret that an old client and we have now; nil: it has another.
local function shake_old_hands(fd, challenge, line)
  local client_key = check_8(crypt.base64decode(line), "a client key")
  local server_key = crypt.randomkey()
  write(fd, crypt.base64encode(crypt.dhexchange(server_key)))
  local secret = crypt.dhsecret(client_key, server_key)
  if crypt.base64decode(read(fd)) ~= crypt.hmac64(challenge, secret) then return nil end
  return secret
end

---The secret, and of a current client all its keys.
local function shake_hands(fd, conf)
  local challenge = crypt.randomkey()
  local challenge_line = crypt.base64encode(challenge)
  write(fd, challenge_line)
  local line = read(fd)
  if line:find "^x25519 " then
    local keys, answer = require("skyloom.login_keys").accept(challenge_line, line, conf.key)
    write(fd, answer)
    return keys.secret, keys
  end
  if conf.refuse_old then error("it offers the old algorithms only", 0) end
  return shake_old_hands(fd, challenge, line)
end

local function read_token(fd, secret, keys)
  local line = read(fd)
  if keys then return require("skyloom.login_keys").unseal(keys.client, line) end
  return crypt.desdecode(secret, crypt.base64decode(line))
end

---What the master gets: "ok", server, uid, secret; or an answer for the client and the reason for the log. The
---fifth result is the key that the answer is to be sealed with.
local function authenticate(fd, conf)
  local is_done, secret, keys = pcall(shake_hands, fd, conf)
  if secret == gone then return nil, "the client has gone" end
  if not is_done then return "400 Bad Request", tostring(secret) end
  if not secret then return "400 Bad Request", "the challenge failed" end
  local has_token, token = pcall(read_token, fd, secret, keys)
  if token == gone then return nil, "the client has gone" end
  if not has_token then return keys and "400 Bad Request" or "401 Unauthorized", tostring(token) end
  local answer_key = keys and keys.server
  local is_known, server, uid = pcall(conf.auth_handler, token)
  if not is_known then return "401 Unauthorized", tostring(server), nil, nil, answer_key end
  if not server or not uid then return "401 Unauthorized", "no such user", nil, nil, answer_key end
  return "ok", server, uid, secret, answer_key
end

local function run_copy(conf)
  local handshake_cs = require("skyloom.setting").number("handshake_timeout", 5000) // 10
  skynet.dispatch("lua", function(_, _, fd)
    if not socket.start(fd) then return skynet.retpack(nil, "the client has gone") end
    socket.limit(fd, INPUT_BYTES_MAX)
    local is_over = false
    if handshake_cs > 0 then
      skynet.timeout(handshake_cs, function()
        if not is_over then socket.shutdown(fd) end
      end)
    end
    local answer = table.pack(authenticate(fd, conf))
    is_over = true
    socket.abandon(fd) -- the master starts it again
    skynet.retpack(table.unpack(answer, 1, answer.n))
  end)
end

-- The master ----------------------------------------------------------------------------------------

local is_entering = {} ---@type table<string, true> users whose login is under way

---The line for the client of who has proved to be `uid`, and the reason for the log, when it is a refusal.
local function log_in(conf, server, uid, secret)
  if not conf.multilogin then
    if is_entering[uid] then return "406 Not Acceptable", ("user %s is logging in already"):format(uid) end
    is_entering[uid] = true
  end
  local is_done, subid = pcall(conf.login_handler, server, uid, secret)
  is_entering[uid] = nil
  if not is_done then return "403 Forbidden", tostring(subid) end
  return "200 " .. crypt.base64encode(tostring(subid or ""))
end

local function serve(conf, copy, fd, peer)
  local is_called, result, server, uid, secret, answer_key = pcall(skynet.call, copy, "lua", fd, peer)
  if not is_called then result, server = nil, result end
  local why = server
  if result == "ok" then result, why = log_in(conf, server, uid, secret) end
  if not result or result:sub(1, 3) ~= "200" then
    skynet.error(("login of %s failed: %s"):format(peer, why))
  end
  if not socket.start(fd) then return socket.close_fd(fd) end -- what its end left open
  if result and answer_key then result = require("skyloom.login_keys").seal(answer_key, result) end
  if result then socket.write(fd, result .. "\n") end
  socket.close(fd)
end

---Raises when nobody could log in.
local function check_current(conf)
  if conf.refuse_old then crypt.sha256 "" end -- in a build without TLS it raises
  if not conf.key then return end
  skynet.error(("login server key: %s"):format(crypt.hexencode(crypt.x25519(conf.key))))
end

local function run_master(conf)
  check_current(conf)
  local count = conf.instance or 8
  assert(math.type(count) == "integer" and count > 0, "loginserver: instance is a number of copies from 1 on")
  local copies = {}
  for i = 1, count do copies[i] = skynet.newservice(SERVICE_NAME) end
  skynet.dispatch("lua", function(_, _, command, ...)
    skynet.retpack(conf.command_handler(command, ...))
  end)
  local host = conf.host or "0.0.0.0"
  skynet.error(("login server listen at : %s %s"):format(host, conf.port))
  local wanted = tonumber(conf.port) or error "loginserver: it needs a port"
  local listener, _, port = socket.listen(host, wanted)
  if wanted == 0 then skynet.error(("login server on port %d"):format(port)) end
  local turn = 0
  socket.start(listener, function(fd, peer)
    turn = turn % count + 1
    serve(conf, copies[turn], fd, peer)
  end)
end

---@param conf loginserver.conf
return function(conf)
  assert(conf.auth_handler, "loginserver: it needs an auth_handler")
  assert(conf.login_handler, "loginserver: it needs a login_handler")
  assert(conf.command_handler, "loginserver: it needs a command_handler")
  local name = "." .. (conf.name or "login")
  skynet.start(function()
    if skynet.localname(name) then return run_copy(conf) end
    require("skynet.manager").register(name)
    run_master(conf)
  end)
end
