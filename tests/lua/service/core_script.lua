-- A library of its own on `skynet.core`, in the way of those that were written for Skynet: the callback, sessions
-- and coroutines are the script's. Nothing of our `skynet` is loaded.
local core = require "skynet.core"
local profile = require "skynet.profile"

local TEXT, RESPONSE, ERROR, LUA = 0, 1, 7, 10
local waiting, handlers = {}, {}
local self = core.addresscommand "REG"
local results = {}

local function log(ok, name, why)
  core.error(ok and "ok " .. name or ("FAILED %s: %s"):format(name, why))
end

local function run(co, ...)
  local ok, err = profile.resume(co, ...)
  if not ok then error(debug.traceback(co, err), 0) end
end

local function dispatch(kind, message, size, session, source)
  if kind == RESPONSE or kind == ERROR then
    local co = waiting[session]
    waiting[session] = nil
    return run(co, kind == RESPONSE, message, size)
  end
  local co = coroutine.create(handlers[kind])
  run(co, session, source, core.unpack(message, size))
end

local function call(address, kind, ...)
  local session = core.send(address, kind, nil, core.pack(...))
  waiting[session] = coroutine.running()
  local ok, message, size = coroutine.yield()
  if not ok then error("call failed", 0) end
  return core.unpack(message, size)
end

local function sleep(cs)
  waiting[core.intcommand("TIMEOUT", cs)] = coroutine.running()
  coroutine.yield()
end

local function test(name, f)
  local ok, err = xpcall(f, debug.traceback)
  log(ok, name, err)
end

local function equal(found, wanted)
  if found ~= wanted then error(("%s instead of %s"):format(found, wanted), 2) end
end

local function raises(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok and tostring(err):find(pattern), tostring(err))
end

handlers[LUA] = function(session, source, command, ...)
  if command == "fail" then
    core.send(source, ERROR, session, "")
    error "a handler fails"
  end
  core.send(source, RESPONSE, session, core.pack(command, ...))
end

handlers[TEXT] = function() end

local function main()
  test("a request of its own library is answered", function()
    local a, b = call(self, LUA, "echo", 2)
    equal(a, "echo")
    equal(b, 2)
  end)
  test("an error answer reaches who waits", function()
    raises("call failed", call, self, LUA, "fail")
  end)
  test("the timer is a message of the session that TIMEOUT returns", function()
    local begun = core.now()
    sleep(2)
    assert(core.now() - begun >= 2)
    sleep(0)
  end)
  test("send returns session, false or nothing", function()
    equal(core.send(self, TEXT, 0, ""), 0)
    assert(core.send(self, TEXT, nil, "") > 0)
    equal(select("#", core.send(0xfffff, TEXT, 0, "")), 0)
    equal(select("#", core.send(".nobody", TEXT, 0, core.pack(1))), 0)
    raises("address 0", core.send, 0, TEXT, 0, "")
  end)
  test("strings and blocks arrive byte by byte, from whom they claim", function()
    sleep(1)  -- what the test before has sent
    local got = {}
    local before = dispatch
    core.callback(function(kind, message, size, session, source)
      if kind ~= TEXT then return before(kind, message, size, session, source) end
      got[#got + 1] = core.tostring(message, size)
      got[#got + 1] = source
    end)
    core.send(self, TEXT, 0, "text\0with zero")
    core.redirect(self, 77, TEXT, 5, core.pack(true))
    core.send((":%x"):format(self), TEXT, 0, "by its number")
    sleep(1)
    equal(got[1], "text\0with zero")
    equal(got[2], self)
    equal(got[3], core.packstring(true))
    equal(got[4], 77)
    equal(got[5], "by its number")
    core.callback(before)
  end)
  test("in forward mode the script owns each message", function()
    local kept
    core.callback(function(kind, message, size, session, source)
      if kind == TEXT then
        kept = { message, size }
      else
        dispatch(kind, message, size, session, source)
        if message then core.trash(message, size) end
      end
    end, true)
    core.send(self, TEXT, 0, "still here later")
    sleep(2)
    equal(core.tostring(kept[1], kept[2]), "still here later")
    core.trash(kept[1], kept[2])
    core.callback(dispatch)
  end)
  test("commands return texts, numbers and addresses", function()
    equal(core.command("GETENV", "thread"), "2")
    equal(core.command("GETENV", "no such key"), nil)
    equal(math.type(core.intcommand("STAT", "mqlen")), "integer")
    equal(math.type(core.intcommand("STAT", "cpu")), "float")
    equal(core.intcommand("GETENV", "no such key"), nil)
    equal(core.addresscommand("QUERY", ".core_script"), nil)
    core.command("REG", ".core_script")
    equal(core.addresscommand("QUERY", ".core_script"), self)
    raises("Invalid result", core.intcommand, "GETENV", "bootstrap")
  end)
  test("ids, clocks, names of nodes", function()
    local one, two = core.genid(), core.genid()
    assert(two == one + 1)
    assert(core.hpc() > 0)
    local harbor, is_remote = core.harbor(self)
    equal(harbor, 0)
    equal(is_remote, false)
    core.trace("tag", "a step")
  end)
  test("profile counts the time of a coroutine and nothing else", function()
    local co = coroutine.create(function()
      profile.start()
      local x = 0
      for i = 1, 2000000 do x = x + i end
      coroutine.yield()
      results.used = profile.stop()
    end)
    profile.resume(co)
    local begun = os.clock()
    while os.clock() - begun < 0.05 do end
    profile.resume(co)
    assert(results.used > 0 and results.used < 0.05 + 2, results.used)
    local wrapped = profile.wrap(function(...) return select("#", ...), coroutine.isyieldable() end)
    local count, is_yieldable = wrapped(1, nil, nil)
    equal(count, 3)
    equal(is_yieldable, true)
  end)
  test("the cache of compiled files can be asked, cleared and switched", function()
    local codecache = require "skynet.codecache"
    equal(codecache.mode(), "ON")
    codecache.mode "OFF"
    equal(codecache.mode(), "OFF")
    codecache.mode "ON"
    codecache.clear()
    local name = os.tmpname()
    local function write(text)
      local file = assert(io.open(name, "w"))
      file:write(text)
      file:close()
    end
    write "#!shebang\nreturn 1, ..."
    equal(select(2, assert(loadfile(name))("given")), "given")
    write "return answer"
    equal(assert(codecache.loadfile(name, "t", { answer = 42 }))(), 42)
    write "return return"
    local f, why = loadfile(name)
    equal(f, nil)
    assert(why:find(name, 1, true))
    os.remove(name)
    f, why = loadfile(name)
    equal(f, nil)
    assert(why:find("cannot open " .. name, 1, true))
  end)
  core.error("tests of core_script are done")
end

core.callback(dispatch)
core.send(".launcher", TEXT, 0, "")  -- the service has started
local co = coroutine.create(function()
  sleep(0)
  main()
end)
assert(coroutine.resume(co))
