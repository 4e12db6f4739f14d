-- A leaderboard that many servers may share, because it lives in Redis. A line is a request:
--   ADD name points   SCORE total RANK n      GET name   SCORE total RANK n, or NONE
--   TOP count         n lines "n name total", then END
--   DEL name          OK, or NONE             QUIT       BYE, and the end
local skynet = require "skynet"
local socket = require "skynet.socket"
local redis = require "skynet.db.redis"

local BOARD = "leaderboard"
local LINE_BYTES_MAX = 1024  -- a client that sends more without an end of line is closed
local NAME_BYTES_MAX = 64
local TOP_MAX = 100

local db ---@type skynet.db.redis

local function place(score, rank)
  return score and ("SCORE %s RANK %d"):format(score, rank + 1) or "NONE"
end

local request = {}

function request.ADD(rest)
  local name, points = rest:match "^(%S+) (%-?%d+)$"
  if not name or #name > NAME_BYTES_MAX or #points > 9 then return "ERROR ADD needs a name and points" end
  local replies = db:pipeline({ { "zincrby", BOARD, points, name }, { "zrevrank", BOARD, name } }, {})
  if not replies[1].ok then return "ERROR " .. replies[1].out end
  return place(replies[1].out, replies[2].out)
end

function request.GET(name)
  local replies = db:pipeline({ { "zscore", BOARD, name }, { "zrevrank", BOARD, name } }, {})
  return place(replies[1].out, replies[2].out)
end

function request.TOP(rest)
  local count = math.tointeger(tonumber(rest))
  if not count or count < 1 or count > TOP_MAX then return ("ERROR TOP needs a number from 1 to %d"):format(TOP_MAX) end
  local board = db:zrevrange(BOARD, 0, count - 1, "WITHSCORES")
  local lines = {}
  for i = 1, #board, 2 do lines[#lines + 1] = ("%d %s %s"):format(#lines + 1, board[i], board[i + 1]) end
  lines[#lines + 1] = "END"
  return table.concat(lines, "\n")
end

function request.DEL(name)
  return db:zrem(BOARD, name) == 1 and "OK" or "NONE"
end

local function answer(line)
  local word, rest = line:match "^(%a+) ?(.*)$"
  local f = word and request[word:upper()]
  if not f then return "ERROR there is no such request; there are ADD GET TOP DEL QUIT" end
  local ok, text = pcall(f, rest)
  return ok and text or "ERROR " .. tostring(text)
end

local function serve(id)
  if not socket.start(id) then return end
  socket.limit(id, LINE_BYTES_MAX)
  for line in function() return socket.readline(id) or nil end do
    line = line:gsub("\r$", "")
    if line:upper() == "QUIT" then
      socket.write(id, "BYE\n")
      break
    end
    socket.write(id, answer(line) .. "\n")
  end
  socket.close(id)
end

skynet.start(function()
  db = redis.connect {
    host = skynet.getenv "redis_host",
    port = math.tointeger(tonumber(skynet.getenv "redis_port")),
  }
  local listener, host, port = socket.listen(skynet.getenv "board_host", math.tointeger(tonumber(skynet.getenv "board_port")))
  socket.start(listener, serve)
  skynet.error(("leaderboard on %s:%d"):format(host, port))
end)
