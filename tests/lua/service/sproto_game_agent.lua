-- The server's end of one client: requests and answers of sproto, packed, in frames of two bytes length.
local skynet = require "skynet"
local socket = require "skynet.socket"
local crypt = require "skynet.crypt"
local sprotoloader = require "sprotoloader"

local host, make_request
local client_fd, watchdog
local secret, challenge, name
local values = {}
local awaited = {} -- by session: what takes the answer

local function send_package(text) socket.write(client_fd, string.pack(">s2", text)) end

local REQUEST = {}

function REQUEST:exchange()
  local key = crypt.randomkey()
  secret, challenge = crypt.dhsecret(self.key, key), crypt.randomkey()
  return { key = crypt.dhexchange(key), challenge = challenge }
end

function REQUEST:login()
  if self.proof ~= crypt.hmac64(challenge, secret) then return { result = false } end
  name = crypt.desdecode(secret, self.token)
  awaited[77] = function(answer, ud) skynet.error(("%s has added: %d for %s"):format(name, answer.sum, ud)) end
  send_package(make_request("add", { a = 40, b = 2 }, 77, "me"))
  return { result = true, name = name }
end

function REQUEST:set()
  values[self.what] = self.value
  send_package(make_request("changed", self))
end

function REQUEST:get() return { result = values[self.what] } end

function REQUEST.fail() error "it fails" end

function REQUEST.quit()
  skynet.send(watchdog, "lua", "close", client_fd)
end

local function answer_request(kind, content, responder, ud)
  local result = REQUEST[kind](content)
  if responder then return responder(result, ud) end
end

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = function(msg, sz) return host:dispatch(msg, sz) end,
  dispatch = function(fd, _, kind, ...)
    assert(fd == client_fd)
    skynet.ignoreret() -- the session is the socket
    if kind == "REQUEST" then
      local ok, result = pcall(answer_request, ...)
      if not ok then
        skynet.error(result)
      elseif result then
        send_package(result)
      end
    else
      local session, content, ud = ...
      awaited[session](content, ud)
    end
  end,
}

local CMD = {}

function CMD.start(conf)
  client_fd, watchdog = conf.client, conf.watchdog
  host = sprotoloader.load(1):host "package"
  make_request = host:attach(sprotoloader.load(2))
  skynet.call(conf.gate, "lua", "forward", client_fd)
end

function CMD.disconnect()
  skynet.error("disconnect " .. tostring(name))
  skynet.exit()
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, command, ...)
    skynet.ret(skynet.pack(CMD[command](...)))
  end)
end)
