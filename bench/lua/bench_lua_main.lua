-- Starts what Lua services need, then the row's service: snlua bench_lua_main PORT | echo PORT | call ... | launch ...
local skynet = require "skynet"
local manager = require "skynet.manager"

local what = ...
local services = { echo = "bench_lua_echo", call = "bench_lua_call", launch = "bench_lua_launch" }
local arguments = table.pack(select(services[what] and 2 or 1, ...))

skynet.start(function()
  manager.name(".launcher", assert(manager.launch("snlua", "launcher")))
  skynet.newservice(services[what] or "bench_lua_watchdog", table.unpack(arguments, 1, arguments.n))
end)
