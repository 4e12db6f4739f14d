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

function ways.keep_and_exit()
  local answer = skynet.response()
  skynet.timeout(1, function()
    skynet.exit()
    answer(true)
  end)
end

function ways.nothing()
  skynet.ignoreret()
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, way) ways[way]() end)
end)
