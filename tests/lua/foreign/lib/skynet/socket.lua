-- Sockets that wait, over the events and the read buffers of skynet.socketdriver.
local skynet = require "skynet"
local driver = require "skynet.socketdriver"

local socket = { write = driver.send, lwrite = driver.lsend, header = driver.header, close_fd = driver.close,
  sendto = driver.udp_send, udp_address = driver.udp_address, netstat = driver.info, resolve = driver.resolve }
local sockets = {}

local function change(one, field, value)
  if not one then return end
  one[field] = value
  skynet.wakeup(one)
end

local on_event = {
  function(id, size, block)  -- DATA
    local one = sockets[id]
    if not one then return driver.drop(block, size) end
    driver.push(one.buffer, one.pool, block, size)
    skynet.wakeup(one)
  end,
  function(id, port, address)  -- CONNECT
    local one = sockets[id]
    if one and not one.address then one.port = port end
    change(one, "address", address)
  end,
  function(id) change(sockets[id], "is_closed", true) end,  -- CLOSE
  function(id, new, address) skynet.fork(sockets[id].on_accept, new, address) end,  -- ACCEPT
  function(id, _, text)  -- ERROR
    driver.shutdown(id)
    change(sockets[id], "is_closed", text)
  end,
  function(id, size, block, from)  -- UDP
    local text = skynet.tostring(block, size)
    skynet.trash(block, size)
    sockets[id].on_packet(text, from)
  end,
  function() end,  -- WARNING
}

skynet.register_protocol {
  name = "socket",
  id = skynet.PTYPE_SOCKET,
  unpack = driver.unpack,
  dispatch = function(_, _, kind, ...) on_event[kind](...) end,
}

local function connect(id, on_accept)
  local one = { buffer = driver.buffer(), pool = {}, on_accept = on_accept }
  sockets[id] = one
  skynet.wait(one)
  if not one.is_closed then return id, one.address, one.port end
  sockets[id] = nil
  return nil, one.is_closed
end

function socket.open(host, port) return connect(driver.connect(host, port)) end
function socket.listen(host, port) return connect(driver.listen(host, port)) end
function socket.start(id, on_accept)
  driver.start(id)
  return connect(id, on_accept)
end

function socket.udp(on_packet, host, port)
  local id = driver.udp(host, port)
  sockets[id] = { on_packet = on_packet }
  return id
end

local function read(id, take)
  local one = sockets[id]
  while true do
    local bytes = take(one.buffer, one.pool)
    if bytes then return bytes end
    if one.is_closed then return false, driver.readall(one.buffer, one.pool) end
    skynet.wait(one)
  end
end

function socket.read(id, size)
  return read(id, function(buffer, pool) return (driver.pop(buffer, pool, size)) end)
end
function socket.readline(id, separator)
  return read(id, function(buffer, pool) return driver.readline(buffer, pool, separator or "\n") end)
end

function socket.close(id)
  local one = sockets[id]
  driver.close(id)
  while not one.is_closed do skynet.wait(one) end
  driver.clear(one.buffer, one.pool)
  sockets[id] = nil
end

return socket
