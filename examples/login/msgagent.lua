-- One user's side of the server: it lives on while the user has no connection.
local skynet = require "skynet"

local gate, name, id
local total = 0

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = skynet.tostring,
}

local request = {}

function request.echo(text) return text end

-- Asked twice, it would count twice; an answer that was lost is not made again.
function request.add(text)
  total = total + assert(math.tointeger(tonumber(text)), "add needs a whole number")
  return tostring(total)
end

function request.whoami() return ("%s %s"):format(name, id) end

function request.wait(text)
  skynet.sleep(tonumber(text))
  return "waited"
end

local function leave()
  skynet.call(gate, "lua", "logout", name, id)
  skynet.exit()
end

function request.logout()
  skynet.fork(leave)
  return "bye"
end

local command = {}

function command.start(...)
  gate, name, id = ...
end

function command.lost()
  skynet.error(("%s has lost the connection"):format(name))
end

command.logout = leave

skynet.start(function()
  skynet.dispatch("lua", function(_, _, word, ...)
    skynet.retpack(command[word](...))
  end)
  skynet.dispatch("client", function(_, _, text)
    local word, rest = text:match "^(%S+) ?(.*)$"
    local f = request[word] or error(("there is no request %s"):format(word))
    skynet.ret(f(rest))
  end)
end)
