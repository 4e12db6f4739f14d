-- Clients that show certificates to servers of openssl, and certificates of names in http.tlshelper. Started by
-- tls_identity_test.py.
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "http.tlshelper"
local check = require "check"
local peers = require "tls_peers"
local test = check.test
local port_of, file = peers.port_of, peers.file

local function copy(from, to)
  for _, suffix in ipairs { ".crt", ".key" } do
    local source <close> = assert(io.open(file(from) .. suffix))
    local target <close> = assert(io.open(file(to) .. suffix, "w"))
    target:write(source:read "a")
  end
end

local function client_as(name)
  local context = tls.newctx()
  context:set_ca(file "authority.crt")
  if name then context:set_cert(file(name) .. ".crt", file(name) .. ".key") end
  return context
end

--- Says hello to a server that answers: the session's info.
local function meet(port, context, host)
  local fd, session = peers.connect(port, host, context)
  local is_done, err = pcall(function()
    tls.writefunc(fd, session) "hello\n"
    tls.readfunc(fd, session)(6)
  end)
  local info = session:info()
  tls.closefunc(session, fd)()
  socket.close(fd)
  if not is_done then error(err, 0) end
  return info
end

--- The same without a word: what is refused is not cut off while it talks.
local function listen_to(port, context)
  local fd, session = peers.connect(port, nil, context)
  local _, err = pcall(tls.readfunc(fd, session))
  session:close()
  socket.close(fd)
  error(err, 0)
end

local function test_clients()
  test("a client shows its certificate where it is asked for", function()
    for _, port in ipairs { port_of "strict", port_of "strict_12" } do
      check.equal(meet(port, client_as "anna").peer, "CN=good")
      check.raises("^tls .* with localhost: .*unknown ca$", listen_to, port, client_as "foreign")
      check.raises("^tls .* with localhost: .*certificate expired$", listen_to, port, client_as "expired")
    end
    check.raises("^tls read with localhost: .*certificate required$", listen_to, port_of "strict", client_as())
    check.raises("^tls handshake with localhost: .*handshake failure$", listen_to, port_of "strict_12", client_as())
  end)
  test("a client asks for the name that it is given", function()
    check.equal(meet(port_of "names", nil, "a.test").peer, "CN=a.test")
    check.equal(meet(port_of "names", nil, "localhost").peer, "CN=good")
  end)
end

local function test_reloads()
  test("a service that is a client only reads its certificate again", function() -- it has no certfile yet
    copy("anna", "mine")
    tls.clientcontext():set_cert(file "mine.crt", file "mine.key")
    local context, seen = tls.newctx(), {}
    context:set_cert(file "good.crt", file "good.key")
    context:set_client_ca(file "authority.crt")
    local port, listener = peers.listen(function(id)
      local session = tls.newtls("server", context)
      tls.init_responsefunc(id, session)()
      seen[#seen + 1] = session:info().peer
      tls.writefunc(id, session) "hello\n"
      tls.closefunc(session, id)()
    end)
    meet(port)
    copy("good", "mine")
    tls.reload()
    meet(port)
    check.equal(seen, { "CN=anna", "CN=good" })
    socket.close(listener)
  end)
  test("the contexts of the service read all their files again", function()
    copy("good", "default")
    copy("a.test", "named")
    local context = tls.servercontext() -- default is certfile
    context:set_cert(file "named.crt", file "named.key", "a.test")
    local port, _, listener = peers.serve_tls { context = context }
    local function names()
      return { meet(port, nil, "localhost").peer, meet(port, nil, "a.test").peer }
    end
    check.equal(names(), { "CN=good", "CN=a.test" })
    copy("anna", "default")
    check.equal(names(), { "CN=good", "CN=a.test" })
    os.rename(file "named.key", file "named.away")
    check.raises("named.key: No such file", tls.reload)
    check.equal(names(), { "CN=good", "CN=a.test" })
    copy("next", "named")
    tls.reload()
    check.equal(names(), { "CN=anna", "CN=next" })
    socket.close(listener)
  end)
end

local function test_servers()
  test("a client that is refused hears why, and one that is optional goes in", function()
    local context = tls.newctx()
    context:set_cert(file "good.crt", file "good.key")
    context:set_client_ca(file "authority.crt")
    local port, failures, listener = peers.serve_tls { context = context }
    check.raises("certificate required$", meet, port, client_as())
    check.wait_until(function() return failures[1] end)
    check.equal(failures[1], "tls handshake: peer did not return a certificate")
    context:set_client_ca(file "authority.crt", "optional")
    meet(port, client_as())
    check.raises("unknown ca$", meet, port, client_as "foreign")
    socket.close(listener)
  end)
  test("what is wrong is named", function()
    local context = tls.newctx()
    check.raises('certificate for "a b": a name has 1 to 253', context.set_cert, context, file "good.crt", file "good.key",
      "a b")
    check.raises("no%-such.crt: No such file", context.set_client_ca, context, file "no-such.crt")
    check.raises("good.key: no certificate or crl found", context.set_client_ca, context, file "good.key")
    check.raises("invalid option 'never'", context.set_client_ca, context, file "authority.crt", "never")
  end)
end

skynet.start(function()
  skynet.fork(function()
    test_clients()
    test_reloads()
    test_servers()
    check.done()
    skynet.exit()
  end)
end)
