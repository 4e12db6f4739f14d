-- One command of the launcher, its answer on standard output: `snlua dbg LIST`.

local skynet = require "skynet"

local words = { ... }

local function text_of(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, part in pairs(value) do
    parts[#parts + 1] = string.format("%s:%s", key, part)
  end
  table.sort(parts)
  return table.concat(parts, "\t")
end

local function print_answer(answer)
  if type(answer) ~= "table" then return print(answer) end
  local lines = {}
  for key, value in pairs(answer) do
    lines[#lines + 1] = string.format("%s\t%s", key, text_of(value))
  end
  table.sort(lines)
  print(table.concat(lines, "\n"))
end

skynet.start(function()
  if #words == 0 then
    skynet.error("dbg needs a command of the launcher: list, stat, mem, gc, kill ADDRESS")
  else
    print_answer(skynet.call(".launcher", "lua", table.unpack(words)))
    io.stdout:flush()
  end
  skynet.exit()
end)
