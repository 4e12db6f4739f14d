-- A client of sproto_game.lua in the system's Lua: lua5.4 sproto_client.lua BUILD ROOT PORT NAME. Prints a line for
-- each message that comes.
local build, root, port, name = table.unpack(arg)
package.cpath = build .. "/luaclib/?.so"
package.path = root .. "/lualib/?.lua;" .. root .. "/tests/lua/lib/?.lua"

local socket = require "client.socket"
local crypt = require "client.crypt"
local sproto = require "sproto"
local protocols = require "game_protocols"

local host = sproto.new(protocols.to_client):host "package"
local request = host:attach(sproto.new(protocols.to_server))
local fd = assert(socket.connect("127.0.0.1", math.tointeger(port)))

local function send_package(text) socket.send(fd, string.pack(">s2", text)) end

local session = 0
local function send_request(kind, content)
  session = session + 1
  send_package(request(kind, content, session))
  return session
end

local received = ""
-- nil: the server has closed the connection.
local function receive_package()
  while true do
    if #received >= 2 then
      local size = string.unpack(">I2", received)
      if #received >= 2 + size then
        local package = received:sub(3, 2 + size)
        received = received:sub(3 + size)
        return package
      end
    end
    local text = socket.recv(fd)
    if text == "" then return nil end
    if text then
      received = received .. text
    else
      socket.usleep(100)
    end
  end
end

local REQUEST = {}

function REQUEST.changed(content) print("changed", content.what, content.value) end

function REQUEST.add(content, responder, ud)
  print("add", content.a, content.b, ud)
  send_package(responder({ sum = content.a + content.b }, ud))
end

-- Serves what the server asks until the answer of a request has come.
local function wait_answer(wanted)
  while true do
    local kind, which, content, responder, ud = host:dispatch(assert(receive_package(), "connection closed"))
    if kind == "RESPONSE" then
      assert(which == wanted, which)
      return content
    end
    REQUEST[which](content, responder, ud)
  end
end

local function call(kind, content) return wait_answer(send_request(kind, content)) end

local key = crypt.randomkey()
local other = call("exchange", { key = crypt.dhexchange(key) })
local secret = crypt.dhsecret(other.key, key)
print("denied", call("login", { proof = "wrong", token = "" }).result)
local proof = crypt.hmac64(other.challenge, secret)
local login = call("login", { proof = proof, token = crypt.desencode(secret, name) })
print("login", login.result, login.name)
send_request("fail")
send_package(request("set", { what = "hello", value = "world" })) -- no session: nobody answers
send_package(request("set", { what = "long", value = ("x"):rep(60000) }))
print("get", call("get", { what = "hello" }).result)
print("get", #call("get", { what = "long" }).result)
print("get", call("get", { what = "none" }).result)
send_request "quit"
while receive_package() do end
print "closed"
