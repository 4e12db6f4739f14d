-- Round trips of skynet.call between two services: snlua bench_lua_call COUNT [IN_FLIGHT]
local skynet = require "skynet"

local count, in_flight = ...

if count == "peer" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
  end)
  return
end

skynet.start(function()
  count, in_flight = math.tointeger(count), math.tointeger(in_flight or 1)
  local peer = skynet.newservice("bench_lua_call", "peer")
  local each, left = count // in_flight, in_flight
  local wall, cpu = skynet.hpc(), os.clock()
  for _ = 1, in_flight do
    skynet.fork(function()
      for i = 1, each do skynet.call(peer, "lua", i) end
      left = left - 1
      if left == 0 then skynet.wakeup "all" end
    end)
  end
  skynet.wait "all"
  local done = each * in_flight
  skynet.error(("bench_lua_call: %d calls, %.2f ns wall, %.2f ns cpu per message"):format(done,
    (skynet.hpc() - wall) / done, (os.clock() - cpu) * 1e9 / done))
  require("skynet.core").command "ABORT"
end)
