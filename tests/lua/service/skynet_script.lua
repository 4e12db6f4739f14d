-- Coroutines, calls and answers of `skynet`, tried from inside of a service.
local skynet = require "skynet"
require "skynet.manager"
local check = require "check"
local test, equal, matches, raises = check.test, check.equal, check.matches, check.raises

local commands = {}

function commands.echo(...)
  skynet.retpack(...)
end

function commands.raw()
  skynet.ret(skynet.pack("packed by hand"))
end

function commands.late(...)
  local answer, values = skynet.response(), table.pack(...)
  skynet.timeout(1, function() answer(true, table.unpack(values, 1, values.n)) end)
end

function commands.refuse()
  skynet.response()(false)
end

function commands.twice()
  local answer = skynet.response()
  answer(true, "once")
  raises("Can't response more than once", answer, true)
  raises("No session", skynet.retpack)
end

function commands.fail()
  error "this handler fails"
end

function commands.unpackable(...)
  skynet.retpack(print)
end

function commands.unpackable_later(...)
  local answer = skynet.response()
  raises("Unsupport type function", answer, true, print)
  equal(answer "TEST", true)
  equal(answer(true, "packed"), true)
  equal(answer "TEST", false)
end

function commands.context()
  local session, source = skynet.context()
  skynet.retpack(session > 0, source)
end

function commands.ignore()
  skynet.ignoreret()
end

local function call(...)
  return skynet.call(skynet.self(), "lua", ...)
end

local function coroutines()
  test("sleep lasts at least as long as asked and returns nothing", function()
    local begun = skynet.now()
    equal(select("#", skynet.sleep(3)), 0)
    assert(skynet.now() - begun >= 3)
  end)
  test("a sleep that is woken returns BREAK, and its timer wakes nobody later", function()
    local me = coroutine.running()
    skynet.fork(function() equal(skynet.wakeup(me), true) end)
    equal(skynet.sleep(2), "BREAK")
    equal(skynet.sleep(4), nil)
  end)
  test("wakeup without a waiter is nothing", function()
    equal(select("#", skynet.wakeup("nobody")), 0)
    equal(select("#", skynet.wakeup(coroutine.running())), 0)
  end)
  test("a token wakes who waits with it", function()
    local token, woken = {}, false
    skynet.fork(function()
      skynet.wait(token)
      woken = true
    end)
    skynet.yield()
    equal(woken, false)
    equal(skynet.wakeup(token), true)
    skynet.yield()
    equal(woken, true)
  end)
  test("a token that is waited with cannot be taken twice", function()
    local token = "mine"
    skynet.fork(skynet.wait, token)
    skynet.yield()
    raises("token duplicative", skynet.wait, token)
    skynet.wakeup(token)
    skynet.yield()
  end)
  test("forks run in order after the current message, with their arguments", function()
    local order = {}
    for index = 1, 3 do
      skynet.fork(function(...) order[#order + 1] = table.concat({ index, ... }, "-") end, "a", "b")
    end
    equal(order, {})
    skynet.yield()
    equal(order, { "1-a-b", "2-a-b", "3-a-b" })
  end)
  test("timers of the same time go off in the order in which they were set", function()
    local order = {}
    for index = 1, 20 do
      skynet.timeout(2, function() order[#order + 1] = index end)
    end
    skynet.sleep(6)
    for index = 1, 20 do equal(order[index], index) end
  end)
  test("a killed coroutine closes its variables and never goes on", function()
    local closed, went_on = false, false
    local thread = skynet.fork(function()
      local guard <close> = setmetatable({}, { __close = function() closed = true end })
      skynet.sleep(1)
      went_on = true
    end)
    skynet.yield()
    equal(skynet.killthread(thread), thread)
    equal(closed, true)
    skynet.sleep(3)
    equal(went_on, false)
    equal(skynet.killthread(thread), nil)
  end)
  test("a coroutine can be killed by its name, and before it began", function()
    local ran = false
    local thread = skynet.fork(function() ran = true end)
    equal(skynet.killthread(tostring(thread)), thread)
    skynet.yield()
    equal(ran, false)
  end)
  test("waiting inside of a plain coroutine is an error that says so", function()
    raises("inside of a plain coroutine", coroutine.wrap(function() skynet.sleep(1) end))
  end)
  test("skynet.coroutine waits in the framework and yields to its caller", function()
    local co = require "skynet.coroutine"
    local status
    local thread = co.create(function(first)
      skynet.sleep(1)
      local second = co.yield(first + 1)
      return call("echo", second)
    end)
    skynet.fork(function() status = co.status(thread) end)
    local ok, value = co.resume(thread, 1)
    equal({ ok, value, status }, { true, 2, "blocked" })
    equal(co.status(thread), "suspended")
    equal({ co.resume(thread, "to echo") }, { true, "to echo" })
    equal(co.status(thread), "dead")
    equal(co.resume(thread), false)
  end)
  test("skynet.coroutine refuses to resume what runs, and harms it not", function()
    local co = require "skynet.coroutine"
    equal({ co.resume(coroutine.running()) }, { false, "cannot resume non-suspended coroutine" })
    local wrapped
    wrapped = co.wrap(function()
      local kept = { "kept" }
      equal({ co.resume(co.running(), 1, 2) }, { false, "cannot resume non-suspended coroutine" })
      raises("cannot resume non%-suspended coroutine", wrapped, 1, 2)
      equal({ co.wrap(function() return pcall(wrapped) end)() }, { false, "cannot resume non-suspended coroutine" })
      co.yield(kept[1])
      return "done"
    end)
    equal({ wrapped(), wrapped() }, { "kept", "done" })
    raises("cannot resume dead coroutine", wrapped)
  end)
  test("skynet.coroutine's thread tells its own coroutines from the service's, whatever they do", function()
    local co = require "skynet.coroutine"
    local service = coroutine.running()
    equal({ co.thread() }, { service, true })
    equal({ co.thread(service) }, { service, true })
    local outer, told
    outer = co.create(function()
      local inner = co.create(function() told = { co.thread(outer) } end)
      equal({ co.thread(inner) }, { nil, false })
      co.resume(inner)
      equal({ co.thread(inner) }, { nil, false })
      co.yield(co.thread())
    end)
    equal({ co.thread(outer) }, { nil, false })
    equal({ co.resume(outer) }, { true, service, false })
    equal(told, { service, false })
    equal({ co.thread(outer) }, { nil, false })
    local waiter = co.create(function() skynet.wait "thread of a waiter" end)
    local forked = skynet.fork(co.resume, waiter)
    skynet.yield()
    equal({ co.thread(waiter) }, { forked, false })
    skynet.wakeup "thread of a waiter"
    local plain = coroutine.create(function() end)
    equal({ co.thread(plain) }, { plain, true })
  end)
  test("skynet.coroutine's wrap nests and passes errors on", function()
    local co = require "skynet.coroutine"
    local outer = co.wrap(function()
      local inner = co.wrap(function()
        skynet.sleep(1)
        co.yield("inner")
        error "from inside"
      end)
      co.yield(inner())
      inner()
    end)
    equal(outer(), "inner")
    raises("from inside", outer)
  end)
  test("pcall, metamethods and iterators can be yielded across", function()
    local ok, err = pcall(function()
      skynet.sleep(1)
      error("after a wait", 0)
    end)
    equal({ ok, err }, { false, "after a wait" })
    local lazy = setmetatable({}, { __index = function(_, key) return call("echo", key) end })
    equal(lazy.value, "value")
    local function next_number(_, last)
      skynet.yield()
      return last < 3 and last + 1 or nil
    end
    local sum = 0
    for number in next_number, nil, 0 do sum = sum + number end
    equal(sum, 6)
  end)
  test("a yield across a C function is an error", function()
    raises("C%-call boundary", table.sort, { 3, 2, 1 }, function() skynet.sleep(1) end)
  end)
end

local function calls()
  test("call returns what the other end answers", function()
    equal({ call("echo", 1, nil, "three", { four = 4 }) }, { 1, nil, "three", { four = 4 } })
    equal(call("raw"), "packed by hand")
    equal({ call("late", "a", nil) }, { "a", nil })
    equal(select("#", call("echo")), 0)
  end)
  test("a call that fails, is refused or ends by an error raises call failed", function()
    raises("call failed", call, "fail")
    raises("call failed", call, "refuse")
    raises("call failed", call, "no such command")
  end)
  test("a call to nobody names the address", function()
    raises("call to invalid address :00abcdef", skynet.call, 0xabcdef, "lua")
    raises("call to invalid address %.nobody", skynet.call, ".nobody", "lua")
    raises("Invalid service address 0", skynet.call, 0, "lua")
    raises("unknown message type 'nonsense'", skynet.call, skynet.self(), "nonsense")
  end)
  test("send returns the session 0, and nothing where nobody is", function()
    equal(skynet.send(skynet.self(), "lua", "ignore"), 0)
    equal(select("#", skynet.send(0xabcdef, "lua")), 0)
  end)
  test("an answer that cannot be packed is an error, and leaves a response function open", function()
    raises("call failed", call, "unpackable")
    equal(call "unpackable_later", "packed")
  end)
  test("a handle may be a float or a text", function()
    equal(skynet.call(skynet.self() + 0.0, "lua", "echo", 1), 1)
    equal(skynet.call(tostring(skynet.self()), "lua", "echo", 2), 2)
    raises("address 0", skynet.send, 0.5, "lua")
    raises("invalid address .5$", skynet.call, ".5", "lua")
  end)
  test("a protocol without pack function sends packed messages only", function()
    skynet.register_protocol { name = "packed", id = 203 }
    raises("the protocol packed has no pack function", skynet.send, skynet.self(), "packed", "x")
  end)
  test("an answer is given once", function()
    equal(call("twice"), "once")
  end)
  test("a handler knows session and source of its request", function()
    equal({ call("context") }, { true, skynet.self() })
    equal(select("#", skynet.context()), 0)
  end)
  test("rawcall and rawsend pass blocks through", function()
    local message, size = skynet.rawcall(skynet.self(), "lua", skynet.pack("echo", "raw"))
    equal(skynet.unpack(message, size), "raw")
    equal(skynet.rawsend(skynet.self(), "lua", skynet.packstring("ignore")), 0)
  end)
  test("redirect speaks with the voice of another service", function()
    local other = skynet.newservice("echo")
    local source
    commands.who = function()
      source = select(2, skynet.context())
      skynet.ignoreret()
    end
    skynet.redirect(skynet.self(), other, "lua", 0, skynet.pack("who"))
    skynet.yield()
    equal(source, other)
    skynet.send(other, "debug", "EXIT")
    local session = skynet.genid()
    assert(skynet.redirect(skynet.self(), skynet.self(), "error", nil, "") > session)
  end)
  test("several requests at once give each answer with its request, and false for failures", function()
    local found = {}
    local requests = skynet.request
      { skynet.self(), "lua", "late", "slow" }
      { skynet.self(), "lua", "echo", "fast" }
      :add { skynet.self(), "lua", "fail" }
    for request, answer in requests:select() do
      found[request[3]] = answer and answer[1] or "failed"
    end
    equal(found, { late = "slow", echo = "fast", fail = "failed" })
  end)
  test("requests that take too long are given up", function()
    commands.never = function() skynet.response() end
    local requests = skynet.request { skynet.self(), "lua", "never" }
    local count = 0
    for _ in requests:select(2) do count = count + 1 end
    equal({ count, requests.timeout }, { 0, true })
  end)
  test("an answer for later knows whether somebody waits", function()
    local answer
    commands.kept = function() answer = skynet.response() end
    skynet.fork(pcall, call, "kept")
    skynet.sleep(1)
    equal(answer("TEST"), true)
    equal(answer(true), true)
    equal(answer("TEST"), false)
  end)
  test("an answer for later knows that its caller was killed, who tells nobody", function()
    local answer
    commands.kept = function() answer = skynet.response() end
    local caller = skynet.newservice "mortal"
    skynet.send(caller, "lua", "call_and_stay", skynet.self(), "lua", "kept")
    check.wait_until(function() return answer end)
    equal(answer "TEST", true)
    skynet.kill(caller)
    equal({ answer "TEST", answer(true) }, { false, false })
  end)
  test("the callee's death ends a call, whatever it was doing", function()
    for _, way in ipairs { "exit", "exit_later", "kill", "kill_and_sleep", "keep_and_exit" } do
      local mortal = skynet.newservice("mortal")
      raises("call failed", skynet.call, mortal, "lua", way)
      raises("call to invalid address", skynet.call, mortal, "lua", way)
    end
  end)
  test("a call with a deadline returns the answer, or gives up in time", function()
    local within = require("skyloom.call").within
    commands.never = function() skynet.response() end
    equal({ within(100, skynet.self(), "lua", "echo", "soon", nil) }, { "soon", nil })
    raises("call to " .. skynet.address(skynet.self()) .. ": no answer within 2 cs", within, 2, skynet.self(), "lua", "never")
    raises("call failed", within, 100, skynet.self(), "lua", "fail")
    raises("call to invalid address :00abcdef", within, 100, 0xabcdef, "lua")
    raises("above 0", within, 0, skynet.self(), "lua", "echo")
    equal(call("echo", "the late answer harms nobody"), "the late answer harms nobody")
  end)
  test("term ends the calls that wait for a service as if it had died", function()
    local silent = skynet.newservice("mortal")
    skynet.timeout(1, function() skynet.term(silent) end)
    raises("call failed", skynet.call, silent, "lua", "nothing")
  end)
  test("term ends the calls to a name that nobody has, and no other wait", function()
    local called = check.in_background(skynet.call, "NOBODY", "lua")
    local other = check.in_background(skynet.call, "NOBODY ELSE", "lua")
    local slept = check.in_background(skynet.sleep, 30)
    skynet.yield()
    local begun = skynet.now()
    skynet.send(skynet.self(), "debug", "TERM", "NOBODY")
    matches(called()[2], "call failed$")
    skynet.term(0)
    skynet.term "nothing"
    skynet.yield()
    skynet.send(skynet.self(), "debug", "TERM", "NOBODY ELSE")
    matches(other()[2], "call failed$")
    equal(slept(), { true, n = 1 })
    assert(skynet.now() - begun >= 25, "a sleep was ended, too")
    raises("string expected, got table", skynet.term, {})
  end)
  test("an answer to a name's call that was killed is dropped", function()
    local mortal = skynet.newservice "mortal"
    skynet.name("MORTAL", mortal)
    local caller = skynet.fork(skynet.call, "MORTAL", "lua", "answer_late")
    skynet.yield()
    equal(skynet.killthread(caller), caller)
    equal(skynet.call("MORTAL", "lua", "answer_late"), "late") -- and the first answer made no error
    local caller_is_gone = false
    local usual = skynet.dispatch_unknown_response(function() caller_is_gone = true end)
    skynet.sleep(5)
    equal(caller_is_gone, false)
    skynet.dispatch_unknown_response(usual)
    skynet.send(mortal, "lua", "exit")
  end)
  test("a service that exits tells the callees that it called by a name", function()
    local answer
    commands.keep_answer = function() answer = skynet.response() end
    skynet.name("KEEPER", skynet.self())
    local caller = skynet.newservice "mortal"
    skynet.send(caller, "lua", "call_and_exit", "KEEPER", "lua", "keep_answer")
    check.wait_until(function() return answer and not answer "TEST" end)
  end)
  test("exit closes the variables of the coroutine that calls it, after all others", function()
    local closed = {}
    commands.closed = function(name) closed[#closed + 1] = name end
    skynet.send(skynet.newservice "mortal", "lua", "exit_with_variables", skynet.self())
    check.wait_until(function() return #closed == 3 end)
    equal(closed, { "of a waiting one", "inner", "outer" })
  end)
end

local function environment()
  test("names and addresses", function()
    equal(tostring(skynet.localname ".nobody"), "nil")
    require("skynet.manager").register(".skynet_script")
    equal(skynet.localname(".skynet_script"), skynet.self())
    equal(skynet.localname(".nobody"), nil)
    equal(skynet.address(255), ":000000ff")
    equal(skynet.address(".name"), ".name")
    equal({ skynet.harbor(skynet.self()) }, { 0, false })
    equal(skynet.call(".skynet_script", "lua", "echo", 5), 5)
  end)
  test("the environment is set once", function()
    equal(tonumber(skynet.getenv "skynet_script_key") or "unset", "unset")
    skynet.setenv("skynet_script_key", "value")
    equal(skynet.getenv("skynet_script_key"), "value")
    raises("exist key : skynet_script_key", skynet.setenv, "skynet_script_key", "other")
  end)
  test("clocks agree", function()
    assert(math.abs(skynet.time() - os.time()) < 5)
    assert(skynet.starttime() <= os.time())
    local a, b = skynet.hpc(), skynet.hpc()
    assert(b >= a)
    equal(math.type(skynet.now()), "integer")
  end)
  test("figures of the service", function()
    equal(skynet.mqlen(), 0)
    equal(skynet.endless(), false)
    assert(skynet.stat("message") > 10)
    assert(skynet.stat("cpu") >= 0)
    equal(skynet.task(), 0)
    local thread = skynet.fork(skynet.wait, "a task")
    skynet.yield()
    equal(skynet.task(), 1)
    local all = {}
    skynet.task(all)
    local name, where = next(all)
    matches(name, "^thread: 0x%x+ session: %d+$")
    matches(where, "stack traceback")
    local session = skynet.task(thread)
    matches(skynet.task(session), "stack traceback")
    matches(next(skynet.uniqtask()), "^1\tsessions:%[" .. session .. "%]\n$")
    skynet.wakeup("a task")
  end)
  test("message types have their numbers, and protocols are new", function()
    equal({ skynet.PTYPE_TEXT, skynet.PTYPE_CLIENT, skynet.PTYPE_SNAX, skynet.PTYPE_TRACE }, { 0, 3, 11, 12 })
    raises("taken", skynet.register_protocol, { name = "lua", id = 99 })
    raises("taken", skynet.register_protocol, { name = "mine", id = skynet.PTYPE_LUA })
    raises("from 0 to 255", skynet.register_protocol, { name = "mine", id = 256 })
    skynet.register_protocol { name = "mine", id = 100, pack = function(...) return table.concat({ ... }, "+") end,
      unpack = skynet.tostring }
    local received
    equal(skynet.dispatch("mine", function(_, _, text) received = text end), nil)
    skynet.send(skynet.self(), "mine", "a", "b")
    skynet.yield()
    equal(received, "a+b")
    equal(type(skynet.dispatch("mine")), "function")
  end)
  test("what nobody handles goes to the program's function", function()
    local unknown = {}
    local usual = skynet.dispatch_unknown_request(function(session, source, message, size, name)
      unknown = { session, source, skynet.tostring(message, size), name }
    end)
    require("skynet.core").send(skynet.self(), 200, 0, "who takes this")
    skynet.yield()
    equal(unknown, { 0, skynet.self(), "who takes this", 200 })
    local answers = {}
    local usual_answer = skynet.dispatch_unknown_response(function(session, source, message, size)
      answers = { session, source, skynet.tostring(message, size) }
    end)
    require("skynet.core").send(skynet.self(), skynet.PTYPE_RESPONSE, 12345, "late")
    skynet.yield()
    equal(answers, { 12345, skynet.self(), "late" })
    raises("Unknown session : 7 from 1f", usual, 7, 0x1f, nil, 0, "mine")
    raises("Unknown session : 8 from 1f", usual_answer, 8, 0x1f, nil, 0)
    for _, size in ipairs { -1, 1 } do raises("invalid size", usual, 7, 0x1f, nil, size, "mine") end
    skynet.dispatch_unknown_request(usual)
    skynet.dispatch_unknown_response(usual_answer)
    equal(skynet.dispatch_unknown_request(usual), usual)
    require("skynet.core").send(skynet.self(), 200, 0, "what is usual")
    skynet.yield()
    equal(unknown, { 0, skynet.self(), "who takes this", 200 }) -- the log has it (skynet_test.py)
  end)
  test("what nobody handles is an error when the program has no function for it", function()
    local service = skynet.newservice "echo"
    skynet.register_protocol { name = "not of echo", id = 202, pack = function(text) return text end }
    skynet.send(service, "not of echo", "to nobody")
    skynet.rawsend(service, "response", "no question")
    equal(skynet.call(service, "lua", "echo", 1), 1)  -- the log has both errors (skynet_test.py)
  end)
  test("a request of an unknown type that waits for an answer fails", function()
    skynet.register_protocol { name = "handled by nobody", id = 201, pack = skynet.pack, unpack = skynet.unpack }
    raises("call failed", skynet.call, skynet.self(), "handled by nobody")
  end)
  test("processor time of a coroutine counts what it runs, not what it waits", function()
    local profile = require "skynet.profile"
    local worked, idled
    skynet.fork(function()
      profile.start()
      repeat until profile.elapsed() > 0.02
      skynet.sleep(1)
      local before = profile.elapsed()
      worked = profile.stop()
      assert(before > 0.02 and before <= worked, before)
      profile.start()
      skynet.sleep(5)
      idled = profile.stop()
      skynet.wakeup("measured")
    end)
    skynet.wait("measured")
    assert(worked > idled and idled < 0.02, ("%f %f"):format(worked, idled))
    raises("more than once", function()
      profile.start()
      profile.start()
    end)
    profile.stop()
    raises("before profile.stop", profile.stop)
    raises("before profile.stop", profile.elapsed)
  end)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, command, ...)
    local f = commands[command] or error("unknown command " .. tostring(command))
    f(...)
  end)
  coroutines()
  calls()
  environment()
  check.done()
end)
