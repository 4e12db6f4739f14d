-- A snax service that counts.
local skynet = require "skynet"
local snax = require "skynet.snax"
local unused = snax.self and skynet.now()  -- module code runs here, and not where only names are wanted

local count = 0
local exited

function accept.add(n)
  count = count + n
end

function response.get(...)
  return count, ...
end

function response.fail()
  error "asked to fail"
end

function response.path()
  return SERVICE_NAME, unused ~= nil
end

function init(start)
  count = start or 0
  if start == "fail" then error "init was told to fail" end
end

function exit(target)
  exited = true
  if target then skynet.send(target, "lua", "exited", exited, count) end
end
