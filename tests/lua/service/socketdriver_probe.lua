-- A service on the C++ modules alone: no line of a Lua library. Its first port takes Lua code, one line
-- each, and answers with what the code returns; what happens to all other sockets is written down for it.
local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"

local DATA, CONNECT, CLOSE, ACCEPT, UDP = 1, 2, 3, 4, 6
local controls, happened, framed, frames = {}, {}, {}, {}
local queue

local env = setmetatable({ core = core, driver = driver, netpack = netpack, framed = framed }, { __index = _G })

-- What happened to a socket since the last time, one entry each: "kind ud text".
function env.take(id)
  local list = happened[id] or {}
  happened[id] = nil
  return table.concat(list, "|")
end

function env.frames()
  local list = frames
  frames = {}
  return table.concat(list, "|")
end

local function answer(id, line)
  local f, err = load(line, "=control", "t", env)
  local results = table.pack(pcall(f or function() error(err, 0) end))
  local texts = {}
  for i = results[1] and 2 or 1, results.n do
    texts[#texts + 1] = tostring(results[i])
  end
  driver.send(id, table.concat(texts, " "):gsub("\n", " ") .. "\n")
end

local function on_control(control, id, data, size)
  driver.push(control.buffer, control.pool, data, size)
  while true do
    local line = driver.readline(control.buffer, control.pool, "\n")
    if not line then break end
    answer(id, line)
  end
end

local function on_frames(msg, sz)
  local kind, id, ptr, size
  queue, kind, id, ptr, size = netpack.filter(queue, msg, sz)
  if kind == "data" then
    frames[#frames + 1] = id .. " " .. netpack.tostring(ptr, size)
  elseif kind == "more" then
    for fd, frame, length in netpack.pop, queue do
      frames[#frames + 1] = fd .. " " .. netpack.tostring(frame, length)
    end
  elseif kind then
    frames[#frames + 1] = kind .. " " .. id
  end
end

local function note(id, ...)
  happened[id] = happened[id] or {}
  table.insert(happened[id], table.concat({ ... }, " "))
end

local listener = driver.listen("127.0.0.1", 0)
driver.start(listener)

core.callback(function(type, msg, sz)
  if type ~= 6 then return end
  local kind, id, ud, data, from = driver.unpack(msg, sz)
  if framed[id] then
    on_frames(msg, sz)
  elseif kind == DATA and controls[id] then
    on_control(controls[id], id, data, ud)
  elseif kind == DATA then
    note(id, kind, ud, core.tostring(data, ud))
    driver.drop(data, ud)
  elseif kind == UDP then
    local ip, port = driver.udp_address(from)
    note(id, kind, ud, core.tostring(data, ud), ip, port)
    driver.drop(data, ud)
    env.from = from
  elseif kind == CONNECT and id == listener then
    if ud ~= 0 then core.error("probe: port " .. ud) end
  elseif kind == ACCEPT and id == listener then
    controls[ud] = { buffer = driver.buffer(), pool = {} }
    driver.start(ud)
  elseif kind == CLOSE and controls[id] then
    driver.clear(controls[id].buffer, controls[id].pool)
    controls[id] = nil
    driver.close(id)
  else
    if kind == ACCEPT then env.accepted = ud end
    note(id, kind, ud, data)
  end
end)
