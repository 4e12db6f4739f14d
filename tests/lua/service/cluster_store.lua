-- A store with commands in capital letters, as Skynet's example has one. What is sent to it is heard.
local skynet = require "skynet"

local values = {}
local command = {}

function command.GET(key) return values[key] end

function command.SET(key, value)
  local last = values[key]
  values[key] = value
  return last
end

function command.PING(text)
  skynet.error(#text < 100 and "heard " .. text or ("heard %d bytes"):format(#text))
end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    local f = command[name:upper()] or error(("cluster_store: unknown command %s"):format(name))
    if session == 0 then return f(...) end
    skynet.ret(skynet.pack(f(...)))
  end)
end)
