-- Reads whole streams, each in the way that its first line names, and answers with how many bytes came and their MD5. A
-- client whose line ends with "late" is not read before it has sent everything that the node takes.
local skynet = require "skynet"
local socket = require "skynet.socket"
local md5 = require "md5"

local function pieces_of(read)
  local pieces = {}
  while true do
    local piece, rest = read()
    if not piece then
      pieces[#pieces + 1] = rest
      return pieces
    end
    pieces[#pieces + 1] = piece
  end
end

local reading = {}

function reading.read(id)
  return pieces_of(function() return socket.read(id) end)
end

function reading.small(id)
  return pieces_of(function() return socket.read(id, 1000) end)
end

-- More than what makes a socket pause.
function reading.large(id)
  return pieces_of(function() return socket.read(id, 300000) end)
end

function reading.lines(id)
  return pieces_of(function()
    local line, rest = socket.readline(id)
    return line and line .. "\n", rest
  end)
end

function reading.all(id)
  return { (socket.readall(id)) }
end

function reading.block(id)
  return pieces_of(function()
    if not socket.block(id) then return false end
    return socket.read(id)
  end)
end

local function serve(id)
  assert(socket.start(id))
  local kind, is_late = socket.readline(id):match "^(%a+)( ?)"
  if is_late ~= "" then
    skynet.error("holding", id)
    skynet.wait(id)
  end
  local text = table.concat(reading[kind](id))
  socket.write(id, ("%d %s\n"):format(#text, md5.sumhexa(text)))
  socket.close(id)
end

skynet.start(function()
  local listener, _, port = socket.listen("127.0.0.1", 0)
  socket.start(listener, serve)
  local releases, _, release_port = socket.listen("127.0.0.1", 0)
  socket.start(releases, function(id)
    assert(socket.start(id))
    skynet.wakeup(math.tointeger(tonumber(socket.readline(id))))
    socket.close(id)
  end)
  skynet.error("reader on", port, release_port)
end)
