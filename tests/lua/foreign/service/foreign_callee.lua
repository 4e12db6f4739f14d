-- What the tests call, and how it may end.
local skynet = require "skynet"
local core = require "skynet.core"
local driver = require "skynet.socketdriver"

local command = {}

function command.echo(...) skynet.retpack(...) end
function command.fail() error "as you wish" end
function command.exit() skynet.exit() end

-- Its messages go on after its death; whether the timer was taken is told.
function command.die_and_sleep(teller)
  core.command "EXIT"
  skynet.send(teller, "lua", core.intcommand("TIMEOUT", 0) ~= nil and core.intcommand("TIMEOUT", 1) ~= nil)
end

function command.open_at_the_end(teller, port)
  KEPT = setmetatable({}, { __gc = function()
    driver.listen("127.0.0.1", port)
    driver.udp("127.0.0.1", port)
    skynet.send(teller, "lua", true)
  end })
  skynet.kill(skynet.self())
end

local how = ...
if how == "unloadable" then error "as you wish" end
skynet.start(function()
  if how == "unstartable" then error "as you wish" end
  skynet.dispatch("lua", function(_, _, name, ...) command[name](...) end)
end)
