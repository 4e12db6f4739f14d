-- Requests of a test through a channel: its lines "REQUEST number" are sent on, and answered with "number ok TEXT" or
-- "number failed", each in a coroutine of its own. Keys: channel_mode (order or session), channel_port, channel_backup.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"

local HOST = "127.0.0.1"
local is_by_session = skynet.getenv "channel_mode" == "session"

local function read_answer(reader)
  local line = reader:readline()
  local session, text = line:match "^(%d+) (.*)$"
  if not session then error("no answer: " .. line) end
  if is_by_session then return math.tointeger(tonumber(session)), true, text end
  return true, text
end

local function log_in(channel)
  local answer
  if is_by_session then
    answer = channel:request("hello 0\n", 0)
  else
    answer = channel:request("hello 0\n", read_answer)
  end
  if answer ~= "welcome" then error("refused: " .. answer, 0) end
end

local function ask(channel, number)
  return channel:request(("ask %d\n"):format(number), is_by_session and number or read_answer)
end

skynet.start(function()
  local channel = socketchannel.channel {
    host = HOST,
    port = tonumber(skynet.getenv "channel_port"),
    backup = { { host = HOST, port = tonumber(skynet.getenv "channel_backup") } },
    auth = log_in,
    response = is_by_session and read_answer or nil,
  }
  local listener, _, port = socket.listen(HOST, 0)
  socket.start(listener, function(id)
    assert(socket.start(id))
    for line in function() return socket.readline(id) or nil end do
      local number = math.tointeger(tonumber(line))
      skynet.fork(function()
        local is_done, text = pcall(ask, channel, number)
        socket.write(id, is_done and ("%d ok %s\n"):format(number, text) or ("%d failed\n"):format(number))
      end)
    end
    socket.close(id)
  end)
  skynet.error("channel on", port)
end)
