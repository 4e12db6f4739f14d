-- The other end of sproto_script: answers requests by the schema of slot 1.
local skynet = require "skynet"
local sprotoloader = require "sprotoloader"

local host

local commands = {}

function commands.load()
  host = sprotoloader.load(1):host "package"
  return true
end

function commands.dispatch(packed)
  local kind, name, content, responder, ud = host:dispatch(packed)
  if name == "login" then
    return kind, name, responder({ ok = content.secret == "\0\1", people = { x = { name = content.name, age = 30 } } }, ud)
  end
  return kind, name, responder and responder(nil, ud), content and content.text
end

-- Uses a schema by the number that another service has sent.
function commands.use(schema, name)
  local core = require "sproto.core"
  return core.encode(core.querytype(schema, name), { age = 5 })
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, command, ...) skynet.retpack(commands[command](...)) end)
end)
