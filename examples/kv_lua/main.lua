-- A key-value store in memory. A line is a request, a line is its answer:
--   SET key value   OK              GET key   VALUE value, or NONE
--   DEL key         OK, or NONE     COUNT     VALUE n           QUIT   BYE, and the end
local skynet = require "skynet"
local socket = require "skynet.socket"

local UNREAD_BYTES_MAX = 1024 * 1024 -- a client that sends more without an end of line is closed

local values = {}
local count = 0

local function set(key, value)
  count = count + (value and 1 or 0) - (values[key] and 1 or 0)
  values[key] = value
  return "OK"
end

local request = {}

function request.SET(rest)
  local key, value = rest:match "^(%S+) (.*)$"
  if not key then return "ERROR SET needs a key and a value" end
  return set(key, value)
end

function request.GET(key)
  local value = values[key]
  return value and "VALUE " .. value or "NONE"
end

function request.DEL(key)
  return values[key] and set(key, nil) or "NONE"
end

function request.COUNT()
  return "VALUE " .. count
end

local function answer(line)
  local word, rest = line:match "^(%a+) ?(.*)$"
  local f = word and request[word:upper()]
  if not f then return "ERROR there is no such request; there are SET GET DEL COUNT QUIT" end
  return f(rest)
end

local function serve(id)
  socket.start(id)
  socket.limit(id, UNREAD_BYTES_MAX)
  while true do
    local line = socket.readline(id)
    if not line then break end
    line = line:gsub("\r$", "")
    if line:upper() == "QUIT" then
      socket.write(id, "BYE\n")
      break
    end
    if not socket.write(id, answer(line) .. "\n") then break end
  end
  socket.close(id)
end

skynet.start(function()
  local id, address, port = socket.listen(skynet.getenv "kv_host", tonumber(skynet.getenv "kv_port"))
  socket.start(id, serve)
  skynet.error(("kv on %s:%d"):format(address, port))
end)
