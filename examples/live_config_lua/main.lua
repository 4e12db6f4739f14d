-- A shop whose prices change while it is open. A line is a request, a line is its answer:
--   PRICE item count   PRICE sum currency, or NONE: a cashier reads it, each time the next one
--   VERSIONS           VERSIONS and the version that each cashier has
--   RELOAD             OK, or ERROR and the reason: then the old prices stay
--   QUIT               BYE, and the end
local skynet = require "skynet"
local sharedata = require "skynet.sharedata"
local socket = require "skynet.socket"

local CASHIERS = 4
local UNREAD_BYTES_MAX = 64 * 1024 -- a client that sends more without an end of line is closed

local cashiers = {}
local last = 0
local prices_file -- "@" and its path

local request = {}

function request.PRICE(rest)
  local item, count = rest:match "^(%a+) (%d%d?%d?)$"
  if not item then return "ERROR PRICE needs an item and a count below 1000" end
  last = last % CASHIERS + 1
  return skynet.call(cashiers[last], "lua", "PRICE", item, tonumber(count))
end

function request.VERSIONS()
  local versions = {}
  for i, cashier in ipairs(cashiers) do
    versions[i] = ("%d"):format(skynet.call(cashier, "lua", "VERSION"))
  end
  return "VERSIONS " .. table.concat(versions, " ")
end

function request.RELOAD()
  local is_done, reason = pcall(sharedata.update, "shop", prices_file)
  if is_done then return "OK" end
  skynet.error("the prices stay:", reason)
  return "ERROR the prices stay: see the log"
end

local function answer(line)
  local word, rest = line:match "^(%a+) ?(.*)$"
  local f = word and request[word:upper()]
  if not f then return "ERROR there is no such request; there are PRICE VERSIONS RELOAD QUIT" end
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
  prices_file = "@" .. skynet.getenv "shop_prices"
  sharedata.new("shop", prices_file)
  for i = 1, CASHIERS do cashiers[i] = skynet.newservice "cashier" end
  local id, address, port = socket.listen(skynet.getenv "shop_host", tonumber(skynet.getenv "shop_port"))
  socket.start(id, serve)
  skynet.error(("shop on %s:%d"):format(address, port))
end)
