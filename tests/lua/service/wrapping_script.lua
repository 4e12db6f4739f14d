-- What libraries do to `skynet`: they copy it, and put their own functions in the place of its.
local skynet = require "skynet"
local check = require "check"
local test, equal = check.test, check.equal

local copy = {}
for name, value in pairs(skynet) do copy[name] = value end

local dispatch_message = skynet.dispatch_message
local seen = {}
function skynet.dispatch_message(message_type, ...)
  seen[message_type] = (seen[message_type] or 0) + 1
  return dispatch_message(message_type, ...)
end

skynet.start(function()
  test("pairs finds everything", function()
    equal({ copy.PTYPE_LUA, copy.PTYPE_TRACE }, { 10, 12 })
    for _, name in ipairs { "call", "uniqueservice", "queryservice", "request", "task", "info_func", "tracelog" } do
      equal(type(copy[name]), "function")
    end
  end)
  test("a dispatch_message of the program sees every message", function()
    local service = skynet.newservice "echo"
    skynet.sleep(1)
    equal(seen[skynet.PTYPE_RESPONSE], 3) -- the start, the launch, the sleep
    equal(skynet.call(service, "lua", "echo", "answer"), "answer")
    equal(seen[skynet.PTYPE_RESPONSE], 4)
  end)
  test("a traced call sends its tag ahead", function()
    local service = skynet.newservice "echo"
    equal({ skynet.unpack(skynet.tracecall("mine", service, "lua", skynet.pack("echo", 1, 2))) }, { 1, 2 })
  end)
  check.done()
end)
