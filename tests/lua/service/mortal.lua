-- Ends while it owes an answer, in the way that it is told.
local skynet = require "skynet"
require "skynet.manager"

local ways = {}

function ways.exit()
  skynet.exit()
end

function ways.exit_later()
  skynet.timeout(1, skynet.exit)
  skynet.sleep(10000)
end

function ways.kill()
  skynet.timeout(1, function() skynet.kill(skynet.self()) end)
  skynet.sleep(10000)
end

function ways.kill_and_sleep()
  skynet.kill(skynet.self())
  skynet.sleep(0)
end

function ways.keep_and_exit()
  local answer = skynet.response()
  skynet.timeout(1, function()
    skynet.exit()
    answer(true)
  end)
end

function ways.answer_late()
  skynet.sleep(3)
  skynet.retpack "late"
end

function ways.call_and_exit(...)
  skynet.fork(skynet.call, ...)
  skynet.sleep(3)
  skynet.exit()
end

function ways.call_and_stay(...)
  skynet.fork(skynet.call, ...)
end

function ways.exit_with_variables(observer)
  local function guard(name)
    return setmetatable({}, { __close = function() skynet.send(observer, "lua", "closed", name) end })
  end
  skynet.fork(function()
    local _ <close> = guard "of a waiting one"
    skynet.wait()
  end)
  skynet.sleep(0)
  local _ <close> = guard "outer"
  local _ <close> = guard "inner"
  skynet.exit()
end

function ways.nothing()
  skynet.ignoreret()
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, way, ...) ways[way](...) end)
end)
