-- tls_count handshakes, a sixth of them each: whole, resumed, refused by the client, cut off in the middle, of a
-- client that shows its certificate to a server of several names, and of one that has none to show. Tells the resident memory after a quarter and at the end.
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local tls = require "http.tlshelper"
local check = require "check"
local peers = require "tls_peers"

local COUNT = tonumber(skynet.getenv "tls_count")
local AT_ONCE = 8

local function resident_kib()
  collectgarbage()
  collectgarbage()
  local file = assert(io.open "/proc/self/statm")
  local pages = file:read("a"):match "^%d+ (%d+)"
  file:close()
  return tonumber(pages) * 4
end

local function context_of_its_own()
  local context = tls.newctx()
  context:set_ca(skynet.getenv "tls_ca")
  return context
end

local function say_hello(port, context)
  local fd, session = peers.connect(port, nil, context)
  tls.writefunc(fd, session) "x"
  check.equal(tls.readfunc(fd, session)(), "x")
  local is_resumed = session:info().resumed
  tls.closefunc(session, fd)()
  socket.close(fd)
  return is_resumed
end

local FOLDER = skynet.getenv "tls_folder"

local function server_of_names()
  local context = tls.newctx()
  for _, name in ipairs { "other.test", "localhost" } do
    context:set_cert(FOLDER .. "/good.crt", FOLDER .. "/good.key", name)
  end
  context:set_client_ca(skynet.getenv "tls_ca")
  return context
end

local strangers = tls.newctx() -- reads the authorities of the system once

local kinds = {
  function(port) check.equal(say_hello(port, context_of_its_own()), false) end,
  function(port, context) return say_hello(port, context) end,
  function(port) check.raises("certificate refused", peers.connect, port, nil, strangers) end,
  function(port, context)
    local fd = sockethelper.connect("127.0.0.1", port)
    local session = tls.newtls("client", context, "localhost")
    socket.write(fd, session:handshake())
    if #socket.read(fd) < 100 then error "no answer of a server" end
    socket.close(fd)
  end,
  function(_, _, strict_port)
    local context = context_of_its_own()
    context:set_cert(FOLDER .. "/good.crt", FOLDER .. "/good.key")
    check.equal(say_hello(strict_port, context), false)
  end,
  function(_, context, strict_port)
    local fd, session = peers.connect(strict_port, nil, context)
    check.raises("certificate required", tls.readfunc(fd, session))
    tls.closefunc(session)()
    socket.close(fd)
  end,
}

local function run(port, strict_port, count)
  local resumed = 0
  local context = context_of_its_own()
  local await = check.in_parallel(AT_ONCE, function(lane)
    for i = lane, count, AT_ONCE do
      if kinds[(i // AT_ONCE + i) % #kinds + 1](port, context, strict_port) then resumed = resumed + 1 end
    end
  end)
  for _, result in ipairs(await()) do check.equal(result, { true, n = 1 }) end
  return resumed
end

skynet.start(function()
  skynet.fork(function()
    local ended = 0
    local function tell() ended = ended + 1 end
    local port, _, listener = peers.serve_tls { tell = tell }
    local strict_port, _, strict_listener = peers.serve_tls { tell = tell, context = server_of_names() }
    run(port, strict_port, COUNT // 4)
    local before = resident_kib()
    local resumed = run(port, strict_port, COUNT - COUNT // 4)
    check.wait_until(function() return ended == COUNT end)
    skynet.error(("handshakes: %d, resumed: %d, KiB: %d, then %d"):format(COUNT, resumed, before, resident_kib()))
    socket.close(listener)
    socket.close(strict_listener)
    check.done()
  end)
end)
