-- Servers in the service itself, for tests of skynet.socketchannel.
local skynet = require "skynet"
local socket = require "skynet.socket"
local check = require "check"
local equal = check.equal

local HOST = "127.0.0.1"

local function lines(id)
  return function() return socket.readline(id) or nil end
end

-- A server with `serve(id)` per connection: its port and a function that ends it, connections and all.
local function server(serve, wanted_port)
  local ids = {}
  local listener, _, port = socket.listen(HOST, wanted_port or 0)
  socket.start(listener, function(id)
    assert(socket.start(id))
    ids[#ids + 1] = id
    serve(id)
    socket.close(id)
  end)
  return port, function()
    socket.close(listener)
    for _, id in ipairs(ids) do socket.close(id) end
  end, ids
end

-- Answers line by line: "+text" for a line, "-text" for one that begins with "bad".
local function serve_lines(id)
  for line in lines(id) do
    if line == "close" then return end
    if line ~= "silence" then
      socket.write(id, (line:find "^bad" and "-" or "+") .. line .. "\n")
    end
  end
end

-- Order mode's response function for it.
local function read_line(reader)
  local line = reader:readline()
  return line:sub(1, 1) == "+", line:sub(2)
end

-- Frames of serve_sessions: length, session, ok, more, text. It answers in the reverse order of each
-- batch that ends with "go"; "parts:a,b" is answered in parts.
local function frame(session, ok, more, text)
  return string.pack(">s2", string.pack(">I4 B B", session, ok, more) .. text)
end

local function read_frame(read)
  local bytes = read(2)
  if not bytes then return end
  local payload = read(socket.header(bytes))
  local session, ok, more, position = string.unpack(">I4 B B", payload)
  return session, payload:sub(position), ok == 1, more == 1
end

local function serve_sessions(id)
  local function read(bytes) return (socket.read(id, bytes)) end
  local batch = {}
  while true do
    local session, text = read_frame(read)
    if not session then return end
    table.insert(batch, 1, { session, text })
    if text == "close" then return end
    if text == "go" then
      for _, request in ipairs(batch) do
        local parts = request[2]:match "^parts:(.*)"
        for part in (parts or ""):gmatch "[^,]+" do socket.write(id, frame(request[1], 1, 1, part)) end
        socket.write(id, frame(request[1], request[2] == "bad" and 0 or 1, 0, parts and "end" or request[2]))
      end
      batch = {}
    end
  end
end

local function read_session(reader)
  local session, text, ok, more = read_frame(function(bytes) return reader:read(bytes) end)
  return session, ok, text, more
end

-- Calls f in n coroutines: an array of {ok, result or error, how often it came}, once all have ended.
local function gather(n, f)
  local results, left, waiter = {}, n, coroutine.running()
  for i = 1, n do
    results[i] = { nil, nil, 0 }
    skynet.fork(function()
      local ok, value = pcall(f, i)
      results[i] = { ok, value, results[i][3] + 1 }
      left = left - 1
      if left == 0 then skynet.wakeup(waiter) end
    end)
  end
  return results, function()
    while left > 0 do skynet.wait(waiter) end
    return results
  end
end

local function all_failed(results, failure)
  for _, result in ipairs(results) do
    equal(result[1], false)
    equal(result[2] == failure, true)
    equal(result[3], 1)
  end
end

return {
  wait_until = check.wait_until,
  lines = lines,
  server = server,
  serve_lines = serve_lines,
  read_line = read_line,
  frame = frame,
  serve_sessions = serve_sessions,
  read_session = read_session,
  gather = gather,
  all_failed = all_failed,
}
