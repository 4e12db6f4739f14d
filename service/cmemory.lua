-- Prints the C memory of each service, then ends.

local skynet = require "skynet"
local memory = require "skynet.memory"

skynet.start(function()
  local lines = {}
  for handle, bytes in pairs(memory.info()) do
    lines[#lines + 1] = string.format(":%08x %gK", handle, bytes / 1024)
  end
  table.sort(lines)
  lines[#lines + 1] = string.format("Total memory: %d", memory.total())
  lines[#lines + 1] = string.format("Total block: %d", memory.block())
  print(table.concat(lines, "\n"))
  io.stdout:flush()
  skynet.exit()
end)
