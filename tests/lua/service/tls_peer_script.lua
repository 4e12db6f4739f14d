-- Clients that show certificates to Node's server of TLS. Started by tls_peers_test.py.
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "http.tlshelper"
local check = require "check"
local peers = require "tls_peers"
local test = check.test

local PORT = tonumber(skynet.getenv "tls_port")

--- What the server answers, and whom its certificate names.
local function ask(host, identity)
  local context = tls.newctx()
  context:set_ca(peers.file "authority.crt")
  local stem = identity and peers.file(identity)
  if stem then context:set_cert(stem .. ".crt", stem .. ".key") end
  local fd, session = peers.connect(PORT, host, context)
  local is_done, answer = pcall(function()
    tls.writefunc(fd, session) "hello\n"
    return tls.readallfunc(fd, session)()
  end)
  local peer = session:info().peer
  tls.closefunc(session, fd)()
  socket.close(fd)
  if not is_done then error(answer, 0) end
  return answer, peer
end

skynet.start(function()
  skynet.fork(function()
    test("the server knows which name is wanted, and by whom", function()
      check.equal({ ask("a.test", "anna") }, { "a.test anna true\n", "CN=a.test" })
      check.equal({ ask("localhost", "good") }, { "localhost good true\n", "CN=good" })
    end)
    test("the server sees a bad certificate, and none, for what they are", function()
      check.equal(ask("localhost", "foreign"), "localhost foreign UNABLE_TO_VERIFY_LEAF_SIGNATURE\n")
      check.equal(ask("localhost", "expired"), "localhost expired CERT_HAS_EXPIRED\n")
      check.matches(ask "localhost", "^localhost undefined UNABLE_TO_")
    end)
    check.done()
    skynet.exit()
  end)
end)
