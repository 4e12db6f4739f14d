-- An echo server: one service, one coroutine per client. A client that does not read is read no further.
local skynet = require "skynet"
local socket = require "skynet.socket"

local function echo(id)
  socket.start(id)
  local is_blocked = false
  local function unblock()
    is_blocked = false
    skynet.wakeup(id)
  end
  socket.warning(id, function(_, kib)
    if kib == 0 then unblock() else is_blocked = true end
  end)
  socket.onclose(id, unblock)
  while true do
    local bytes = socket.read(id)
    if not bytes then break end
    socket.write(id, bytes)
    while is_blocked do skynet.wait(id) end -- until all that it should read is on its way
  end
  socket.close(id)
end

skynet.start(function()
  local id, address, port = socket.listen(skynet.getenv "echo_host", tonumber(skynet.getenv "echo_port"))
  socket.start(id, echo)
  skynet.error(("echo on %s:%d"):format(address, port))
end)
