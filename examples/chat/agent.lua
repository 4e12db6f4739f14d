-- The server's side of one client. A frame is a line of text: a name first, then what to say.
local skynet = require "skynet"
local socket = require "skynet.socket"

local NAME_BYTES_MAX = 20
local LINE_BYTES_MAX = 1000

local client -- what the watchdog said: gate, room, fd, address
local watchdog
local name -- nil before the client has given one

local function push(text)
  socket.write(client.fd, string.pack(">s2", text))
end

local function take_name(text)
  if #text > NAME_BYTES_MAX or not text:find "^%w+$" then
    return push(("a name has 1 to %d letters and digits"):format(NAME_BYTES_MAX))
  end
  local count = skynet.call(client.room, "lua", "join", text)
  if not count then return push(("%s is here already"):format(text)) end
  name = text
  push(("welcome %s, %d here"):format(name, count))
end

local line_command = {}

function line_command.who()
  push(table.concat(skynet.call(client.room, "lua", "names"), " "))
end

function line_command.agents()
  push(("%d agents"):format(skynet.call(watchdog, "lua", "count")))
end

function line_command.quit()
  push "bye"
  skynet.send(watchdog, "lua", "quit")
end

local function on_line(text)
  local word = text:match "^/(%w+)$"
  if word then
    local f = line_command[word]
    if not f then return push(("there is no /%s; there are /who /agents /quit"):format(word)) end
    f()
  elseif not name then
    take_name(text)
  elseif #text > LINE_BYTES_MAX then
    push(("a line has at most %d bytes, not %d"):format(LINE_BYTES_MAX, #text))
  else
    skynet.send(client.room, "lua", "say", text)
  end
end

local command = {}

function command.start(source, conf)
  watchdog, client = source, conf
  -- From now on its frames come here; without the client, the watchdog is going to say `leave`.
  if pcall(skynet.call, client.gate, "lua", "forward", client.fd) then push "who are you?" end
end

-- The room has something for the client.
function command.hear(_, text)
  push(text)
end

function command.leave()
  if client then skynet.send(client.room, "lua", "leave") end
  skynet.exit()
end

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = skynet.tostring,
  dispatch = function(_, _, text)
    skynet.ignoreret() -- the session is the socket: nobody waits for an answer
    on_line(text)
  end,
}

skynet.start(function()
  skynet.dispatch("lua", function(_, source, word, ...)
    command[word](source, ...)
  end)
end)
