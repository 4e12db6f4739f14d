-- Reads lines of standard input and starts what they name: `SERVICE args` or `snax NAME args`.

local skynet = require "skynet"
local socket = require "skynet.socket"

local function start(line)
  local words = {}
  for word in string.gmatch(line, "%S+") do
    words[#words + 1] = word
  end
  if #words == 0 then return end
  local is_started, handle
  if words[1] == "snax" then
    local snax = require "skynet.snax"
    is_started, handle = pcall(snax.rawnewservice, table.unpack(words, 2))
  else
    is_started, handle = pcall(skynet.newservice, table.unpack(words))
  end
  if not is_started then
    skynet.error(string.format("console: %s does not start: %s", line, handle))
  end
end

local function read_lines()
  local input, reason = socket.stdin()
  if not input then
    return skynet.error(string.format("console: standard input cannot be watched: %s", reason))
  end
  while true do
    local line, rest = socket.readline(input, "\n")
    if not line then
      if rest and rest ~= "" then start(rest) end
      return skynet.error("console: end of standard input")
    end
    start(line)
  end
end

skynet.start(function()
  skynet.fork(read_lines)
end)
