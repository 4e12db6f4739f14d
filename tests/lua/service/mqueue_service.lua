-- Handles messages of type queue one at a time, although each waits.
local skynet = require "skynet"
local mqueue = require "skynet.mqueue"

local count = 0
local command = {}

function command.step(i)
  count = count + 1
  local mine = count
  skynet.sleep(1)
  assert(count == mine, "two at once")
  return i, mine
end

function command.size() return mqueue.size() end

function command.fail() error "as asked" end

skynet.start(function()
  mqueue.register(function(name, ...) return command[name](...) end)
end)
