-- snax services and their users.
local skynet = require "skynet"
local snax = require "skynet.snax"
local check = require "check"
local test = check.test

local exited

skynet.dispatch("lua", function(_, _, ...)
  exited = table.pack(...)
end)

local function count_of(text)
  local count = 0
  for _, entry in pairs(skynet.call(".launcher", "lua", "LIST")) do
    if string.find(entry, text, 1, true) then count = count + 1 end
  end
  return count
end

skynet.start(function()
  test("numbers of functions are system, then in order of definition", function()
    check.equal(snax.interface "counter", {
      name = "counter",
      system = { init = 1, exit = 2, hotfix = 3, profile = 4 },
      accept = { add = 5 },
      response = { get = 6, fail = 7, path = 8 },
    })
  end)
  test("post and req reach accept and response functions", function()
    local counter = snax.newservice("counter", 5)
    counter.post.add(2)
    check.equal({ counter.req.get("x") }, { 7, "x" })
    check.equal({ counter.req.path() }, { "counter", true })
    check.equal({ counter.type, math.type(counter.handle) }, { "counter", "integer" })
    check.equal(snax.bind(counter.handle, "counter") == counter, true)
    check.raises("is a counter and no other", snax.bind, counter.handle, "other")
    check.raises("call failed", counter.req.fail)
    check.raises("the object of a service is expected, not nil", snax.kill)
    check.raises("the object of a service is expected, not 5", snax.hotfix, 5, "")
    check.raises("the object of a service is expected, not true", snax.profile_info, true)
    check.raises("snax service counter has no response.add", function() return counter.req.add end)
  end)
  test("an error in init fails the start", function()
    check.raises("call failed", snax.newservice, "counter", "fail")
  end)
  test("a service whose init has failed ends", function()
    -- Its starter gets an error and no handle: it would stay for ever.
    local before = count_of "snaxd counter"
    check.raises("call failed", snax.newservice, "counter", "fail")
    check.wait_until(function() return count_of "snaxd counter" <= before end)
  end)
  test("a service that does not exist is told with its places", function()
    check.raises("Can't load snax service nowhere:.*nowhere.lua", snax.newservice, "nowhere")
  end)
  test("kill runs the exit function and ends the service", function()
    local counter = snax.newservice("counter", 1)
    snax.kill(counter, skynet.self())
    check.equal(exited, { "exited", true, 1, n = 3 })
    check.raises("call ", counter.req.get)  -- failed: it is leaving; or to an invalid address: it has left
  end)
  test("unique services are one per node, or per network", function()
    local counter = snax.uniqueservice("counter", 3)
    check.equal(snax.uniqueservice "counter" == counter, true)
    check.equal(snax.queryservice "counter" == counter, true)
    local global = snax.globalservice("counter", 4)
    check.equal(global == counter, false)
    check.equal(snax.queryglobal("counter").handle, global.handle)
    check.equal({ counter.req.get(), global.req.get() }, { 3, 4 })
  end)
  test("profile counts calls", function()
    local counter = snax.newservice("counter", 0)
    counter.post.add(1)
    counter.req.get()
    counter.req.get()
    local info = snax.profile_info(counter)
    check.equal({ info.add.count, info.get.count, type(info.get.time) }, { 1, 2, "number" })
    check.equal(skynet.call(counter.handle, "debug", "INFO").get.count, 2)
  end)
  test("hotfix replaces functions and keeps their variables", function()
    local counter = snax.newservice("counter", 10)
    check.equal(snax.hotfix(counter, [[
      local count
      function response.get() return "fixed", count end
      function hotfix(...) count = count + 1; return "done", ... end
    ]], "arg"), "done")
    check.equal({ counter.req.get() }, { "fixed", 11 })
    counter.post.add(5)
    check.equal({ counter.req.get() }, { "fixed", 16 })
    check.raises("call failed", snax.hotfix, counter, "function response.nothing() end")
  end)
  test("accept functions that share a queue keep their order, whatever they wait for", function()
    local pinger = snax.uniqueservice("pinger", skynet.self())
    local expected = {}
    for i = 1, 3 do
      pinger.post.sleep("sleep" .. i, 4 - i)
      pinger.post.hello("hello" .. i)
      table.move({ "sleep" .. i .. " begins", "sleep" .. i .. " ends", "hello" .. i }, 1, 3, #expected + 1, expected)
    end
    check.equal(pinger.req.steps(), expected)
  end)
  test("a service answers after an error, is fixed while it runs, and ends itself", function()
    local pinger = snax.newservice("pinger", skynet.self())
    check.raises("call failed", pinger.req.error)
    check.equal({ pinger.req.ping("foo", 2, { 3 }) }, { "foo", 2, { 3 } })
    check.equal({ pinger.post.hello "before" }, {})
    check.equal({ snax.hotfix(pinger, [[
      local steps
      function accept.hello(name) steps[#steps + 1] = "fixed " .. name end
      function hotfix(...) return #steps, ... end
    ]], "more") }, { 1, "more" })
    pinger.post.hello "after"
    check.equal(pinger.req.steps(), { "before", "fixed after" })
    exited = nil
    pinger.post.exit("for good", 5)
    check.wait_until(function() return exited end)
    check.equal(exited, { "left", "for good", 5, n = 3 })
    check.raises("call ", pinger.req.ping)
  end)
  test("printf logs a formatted line", function()
    snax.printf("snax %d", 7)
  end)
  check.done()
end)
