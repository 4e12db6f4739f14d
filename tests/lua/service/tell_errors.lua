-- With call_traceback a failed call says what happened at the other end.
local skynet = require "skynet"
local check = require "check"
local test = check.test

local function fail_deep_inside() error "the reason" end

skynet.start(function()
  skynet.dispatch("lua", function() fail_deep_inside() end)
  test("a failed call carries the remote traceback", function()
    local ok, err = pcall(skynet.call, skynet.self(), "lua")
    check.equal(ok, false)
    check.matches(err, "call failed: .*tell_errors%.lua:%d+: the reason\nstack traceback:.*fail_deep_inside")
  end)
  check.done()
end)
