-- The other side of modules_script: reads what is published there, on a worker of its own.
local skynet = require "skynet"
local stm = require "skynet.stm"
local debugchannel = require "skynet.debugchannel"

local command = {}
local reader, channel

function command.open_copy(copy)
  reader = stm.newcopy(copy)
end

function command.read()
  return reader(skynet.unpack)
end

--- Reads until `wanted` versions have come, each newer than the last.
function command.read_rising(wanted)
  local last = 0
  while last < wanted do
    local is_new, number, filling = reader(skynet.unpack)
    if is_new then
      assert(number > last and filling == string.rep("x", number))
      last = number
    end
    skynet.yield()
  end
  return last
end

function command.connect(handle)
  channel = debugchannel.connect(handle)
end

function command.read_line(timeout)
  return channel:read(timeout)
end

function command.write_line(line)
  channel:write(line)
end

function command.end_channel()
  channel:release()
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
