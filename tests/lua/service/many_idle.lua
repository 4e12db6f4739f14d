-- Starts many services that do nothing. The first ones warm the caches.
local skynet = require "skynet"

if ... == "idle" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
  end)
  return
end

local function start(count)
  for _ = 1, count do skynet.newservice("many_idle", "idle") end
end

local function resident_bytes()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s+(%d+) kB"
    if kib then return kib * 1024 end
  end
end

skynet.start(function()
  start(50)
  local before, count = resident_bytes(), math.tointeger(skynet.getenv "idle")
  start(count)
  skynet.error(("many idle: %d services, %d bytes each"):format(count, (resident_bytes() - before) // count))
end)
