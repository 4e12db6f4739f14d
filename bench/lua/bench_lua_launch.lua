-- Launches services one after the other: snlua bench_lua_launch COUNT
local skynet = require "skynet"

local count = ...

if count == "idle" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
  end)
  return
end

local function resident_bytes()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s+(%d+) kB"
    if kib then return kib * 1024 end
  end
end

skynet.start(function()
  for _ = 1, 50 do skynet.newservice("bench_lua_launch", "idle") end
  local wall, cpu, memory = skynet.hpc(), os.clock(), resident_bytes()
  for _ = 1, count do skynet.newservice("bench_lua_launch", "idle") end
  skynet.error(("bench_lua_launch: %d services, %.2f ns wall, %.2f ns cpu per message, %d bytes each"):format(count,
    (skynet.hpc() - wall) / count, (os.clock() - cpu) * 1e9 / count, (resident_bytes() - memory) // count))
  require("skynet.core").command "ABORT"
end)
