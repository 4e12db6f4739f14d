-- What traces log (the lines are checked from outside), and what timers remember.
local skynet = require "skynet"
local core = require "skynet.core"
local check = require "check"
local test = check.test

local peer

local function traced(text)
  skynet.trace(text)
  return skynet.tracetag()
end

skynet.start(function()
  peer = skynet.newservice "trace_peer"
  skynet.error("peer", skynet.address(peer))

  test("a trace goes along with calls and ends with its coroutine", function()
    local tag, seen
    local token = {}
    skynet.fork(function()
      check.equal(skynet.tracetag(), nil)
      tag = traced()
      seen = skynet.call(peer, "lua", "tag")
      skynet.sleep(1)
      skynet.wakeup(token)
    end)
    skynet.wait(token)
    check.matches(tag, "^" .. skynet.address(skynet.self()) .. "%-1$")
    check.equal(seen, tag)
    check.equal(skynet.call(peer, "lua", "tag"), nil)
  end)

  test("each trace has a tag of its own", function()
    local token = {}
    skynet.fork(function()
      check.matches(traced "once", "%-2$")
      check.matches(traced "twice", "%-3$")
      skynet.wakeup(token)
    end)
    skynet.wait(token)
  end)

  test("traceproto traces all requests of a type, or none", function()
    skynet.call(peer, "lua", "traceproto", true)
    check.equal(skynet.call(peer, "lua", "tag"), skynet.address(peer) .. "-1")
    skynet.call(peer, "lua", "traceproto", false)
    check.equal(skynet.call(peer, "lua", "trace"), nil)
    skynet.call(peer, "lua", "traceproto", nil)
    check.equal(skynet.call(peer, "lua", "trace"), skynet.address(peer) .. "-3")
  end)

  test("tracecall carries a tag from elsewhere", function()
    check.equal(skynet.unpack(skynet.tracecall("far-7", peer, "lua", skynet.pack "tag")), "far-7")
    check.raises("call failed", skynet.tracecall, "far-8", peer, "lua", skynet.pack "fail")
    check.raises("call to invalid address", skynet.tracecall, "far-9", 0xffff, "lua", skynet.pack "tag")
  end)

  test("tracelog logs a line of any trace", function()
    skynet.tracelog("far-7", "a step of mine")
    check.equal(skynet.tracelog, core.trace)
  end)

  test("a timer remembers where it was set when it is told to", function()
    local function where_of(thread) return skynet.task(skynet.task(thread)) end
    local function set_timer() return skynet.timeout(6000, function() end), nil end
    local plain = set_timer()
    check.equal(string.find(where_of(plain), "set_timer"), nil)
    skynet.trace_timeout(true)
    local watched = set_timer()
    check.matches(where_of(watched), "^TIMER %d+%+6000 : \nstack traceback:\n\t[^\n]*trace_script.lua:%d+: in .*set_timer")
    local all = {}
    skynet.task(all)
    local count = 0
    for _, where in pairs(all) do
      if string.find(where, "^TIMER") then count = count + 1 end
    end
    check.equal(count, 1)
    local ran = {}
    skynet.timeout(1, function() skynet.wakeup(ran) skynet.sleep(1) ran.where = where_of(coroutine.running()) end)
    skynet.wait(ran)
    skynet.trace_timeout(false)
    check.equal(string.find(where_of(set_timer()), "TIMER"), nil)
    skynet.killthread(watched)
    check.equal(skynet.task(watched), nil)
  end)
  check.done()
end)
