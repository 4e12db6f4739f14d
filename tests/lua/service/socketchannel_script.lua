-- skynet.socketchannel against servers of this very service.
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local test, equal, raises = check.test, check.equal, check.raises

local HOST = "127.0.0.1"
local MIB = 1024 * 1024

local function wait_until(condition)
  for _ = 1, 6000 do
    if condition() then return end
    skynet.sleep(1)
  end
  error("not so after a minute", 2)
end

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

local function test_order_mode()
  test("answers find their callers in the order of the requests", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    local _, await = gather(50, function(i) return channel:request("line " .. i .. "\n", read_line) end)
    for i, result in ipairs(await()) do equal(result, { true, "line " .. i, 1 }) end
    channel:close()
    stop()
  end)

  test("a request without response returns at once", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    equal(channel:request "silence\n", nil)
    equal(channel:request("after\n", read_line), "after")
    channel:close()
    stop()
  end)

  test("a response that says false raises its data and the next one is served", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    equal({ pcall(channel.request, channel, "bad line\n", read_line) }, { false, "bad line" })
    equal(channel:request("good line\n", read_line), "good line")
    channel:close()
    stop()
  end)

  test("a response in parts is an array", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    local count = 0
    local answer = channel:request("a\nb\nc\n", function(reader)
      count = count + 1
      return true, reader:readline(), count < 3
    end)
    equal(answer, { "+a", "+b", "+c" })
    channel:close()
    stop()
  end)

  test("the parts of a request go out in order", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    local long = ("x"):rep(200000)
    equal(#channel:request("a", read_line, { long, long, "z\n" }), 400002)
    channel:close()
    stop()
  end)

  test("response waits for what comes without a request", function()
    local port, stop = server(function(id)
      socket.write(id, "+news\n")
      socket.readall(id)
    end)
    local channel = socketchannel.channel { host = HOST, port = port }
    equal(channel:response(read_line), "news")
    raises("needs a function", channel.response, channel)
    channel:close()
    stop()
  end)

  test("a response function that hides the end of the connection does not hide it from the caller", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    local ok, failure = pcall(channel.request, channel, "silence\n", function(reader)
      skynet.fork(channel.close, channel)
      pcall(reader.readline, reader)
      return true, "all is well"
    end)
    equal({ ok, failure == socketchannel.error }, { false, true })
    stop()
  end)

  test("an error of a response function breaks the connection and reaches all that wait", function()
    local port, stop, ids = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    channel:connect(true)
    local _, await = gather(3, function()
      return channel:request("line\n", function(reader)
        reader:readline()
        error("cannot read this", 0)
      end)
    end)
    for _, result in ipairs(await()) do equal(result, { false, "cannot read this", 1 }) end
    equal(channel:request("next\n", read_line), "next")
    equal(#ids, 2)
    channel:close()
    stop()
  end)
end

local function test_session_mode()
  test("answers find their callers by session", function()
    local port, stop = server(serve_sessions)
    local channel = socketchannel.channel { host = HOST, port = port, response = read_session }
    local _, await = gather(20, function(i)
      local text = i == 20 and "go" or "text " .. i
      return channel:request(frame(i, 1, 0, text), i)
    end)
    for i, result in ipairs(await()) do equal(result, { true, i == 20 and "go" or "text " .. i, 1 }) end
    channel:close()
    stop()
  end)

  test("answers in parts, failures and strangers are told apart", function()
    local port, stop = server(serve_sessions)
    local channel = socketchannel.channel { host = HOST, port = port, response = read_session }
    local texts = { "parts:a,b", "bad", "go" }
    local _, await = gather(3, function(i) return channel:request(frame(i, 1, 0, texts[i]), i) end)
    equal(await(), { { true, { "a", "b", "end" }, 1 }, { false, "bad", 1 }, { true, "go", 1 } })
    channel:request(frame(77, 1, 0, "nobody waits"))
    equal(channel:request(frame(78, 1, 0, "go"), 78), "go")
    channel:close()
    stop()
  end)

  test("a session that is waited for is refused", function()
    local port, stop = server(serve_sessions)
    local channel = socketchannel.channel { host = HOST, port = port, response = read_session }
    local _, await = gather(1, function() return channel:request(frame(5, 1, 0, "a"), 5) end)
    channel:connect()
    wait_until(function() return channel.__sock.sessions[5] end)
    raises("session 5 waits", channel.request, channel, frame(5, 1, 0, "b"), 5)
    channel:request(frame(6, 1, 0, "go"), 6)
    equal(await(), { { true, "a", 1 } })
    channel:close()
    stop()
  end)

  test("a broken connection wakes every session once", function()
    local port, stop = server(serve_sessions)
    local channel = socketchannel.channel { host = HOST, port = port, response = read_session }
    local _, await = gather(10, function(i)
      return channel:request(frame(i, 1, 0, i == 10 and "close" or "text"), i)
    end)
    all_failed(await(), socketchannel.error)
    equal(channel:request(frame(11, 1, 0, "go"), 11), "go")
    channel:close()
    stop()
  end)
end

local function test_connections()
  test("a broken connection wakes every waiter once and the next request makes a new one", function()
    local port, stop, ids = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    channel:connect(true)
    local results, await = gather(10, function(i)
      return channel:request(i == 10 and "close\n" or "silence\n", read_line)
    end)
    all_failed(await(), socketchannel.error)
    equal(channel:request("again\n", read_line), "again")
    equal(#ids, 2)
    for _, result in ipairs(results) do equal(result[3], 1) end
    channel:close()
    stop()
  end)

  test("a connection that ended while nobody waited is made again", function()
    local port, stop, ids = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    channel:request "close\n"
    local id = channel.__sock[1]
    wait_until(function() return socket.disconnected(id) end)
    equal(channel:request("again\n", read_line), "again")
    equal(#ids, 2)
    channel:close()
    stop()
  end)

  test("a request to a host that is not there raises after one try", function()
    local port, stop = server(serve_lines)
    stop()
    local channel = socketchannel.channel { host = HOST, port = port }
    local _, await = gather(3, function() return channel:request("x\n", read_line) end)
    all_failed(await(), socketchannel.error)
    equal(tostring(socketchannel.error), "[Error: socket]")
    local ok, failure = pcall(channel.connect, channel, true)
    equal({ ok, failure == socketchannel.error }, { false, true })
    channel:close()
  end)

  test("connect tries again until the host is there", function()
    local port, stop = server(serve_lines)
    stop()
    local channel = socketchannel.channel { host = HOST, port = port }
    local _, await = gather(1, function() return channel:connect() end)
    local tries = 0
    local sleep = skynet.sleep
    skynet.sleep = function(cs, token)
      if type(token) ~= "table" then return sleep(cs, token) end
      tries = tries + 1
      if tries == 2 then _, stop = server(serve_lines, port) end
      return sleep(0, token)
    end
    equal(await(), { { true, true, 1 } })
    skynet.sleep = sleep
    equal(tries, 2)
    equal(channel:request("there\n", read_line), "there")
    channel:close()
    stop()
  end)

  test("tries wait 0 to 11 seconds, then from 0 again", function()
    local port, stop = server(serve_lines)
    stop()
    local channel = socketchannel.channel { host = HOST, port = port }
    local delays, wanted = {}, {}
    local sleep = skynet.sleep
    skynet.sleep = function(cs, token)
      if type(token) ~= "table" then return sleep(cs, token) end
      delays[#delays + 1] = cs
      if #delays == 26 then channel:close() end
    end
    local _, await = gather(1, function() return channel:connect() end)
    equal(await(), { { true, false, 1 } })
    skynet.sleep = sleep
    for i = 0, 25 do wanted[#wanted + 1] = i % 12 * 100 end
    equal(delays, wanted)
  end)

  test("close ends an attempt to connect and all that wait for it", function()
    local port, stop = server(serve_lines)
    stop()
    local channel = socketchannel.channel { host = HOST, port = port }
    local sleeping
    local sleep = skynet.sleep
    skynet.sleep = function(cs, token)
      if type(token) ~= "table" then return sleep(cs, token) end
      sleeping = true
      return sleep(360000, token)
    end
    local _, await_connect = gather(1, function() return channel:connect() end)
    wait_until(function() return sleeping end)
    skynet.sleep = sleep
    local _, await = gather(3, function() return channel:request("x\n", read_line) end)
    skynet.yield()
    channel:close()
    all_failed(await(), socketchannel.error)
    equal(await_connect(), { { true, false, 1 } })
    raises("Error: socket", channel.request, channel, "x\n", read_line)
    channel:close()
  end)

  test("close wakes those that wait for answers and ends the connection", function()
    local ended
    local port, stop = server(function(id)
      socket.readall(id)
      ended = true
    end)
    local channel = socketchannel.channel { host = HOST, port = port }
    channel:connect(true)
    local _, await = gather(3, function() return channel:request("silence\n", read_line) end)
    skynet.yield()
    channel:close()
    all_failed(await(), socketchannel.error)
    wait_until(function() return ended end)
    stop()
  end)

  test("a channel that was closed can connect again", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    equal(channel:connect(true), true)
    equal(channel:connect(true), true)
    channel:close()
    equal(channel:connect(), true)
    equal(channel:request("again\n", read_line), "again")
    channel:close()
    stop()
  end)

  test("a channel closes at the end of its block", function()
    local port, stop, ids = server(serve_lines)
    do
      local channel <close> = socketchannel.channel { host = HOST, port = port }
      channel:request("x\n", read_line)
    end
    wait_until(function() return socket.invalid(ids[1]) end)
    stop()
  end)

  test("a channel needs a host", function()
    raises("needs a host", socketchannel.channel, { port = 1 })
  end)
end

local function test_hosts()
  local function serve_name(name)
    return function(id)
      for _ in lines(id) do socket.write(id, "+" .. name .. "\n") end
    end
  end

  test("a backup is used when the host is not there", function()
    local gone, stop_gone = server(serve_lines)
    stop_gone()
    local port, stop = server(serve_name "backup")
    local channel = socketchannel.channel { host = HOST, port = gone, backup = { { host = HOST, port = gone } } }
    channel:changebackup { { host = HOST, port = gone }, { host = HOST, port = port } }
    equal(channel:request("x\n", read_line), "backup")
    channel:close()
    stop()
  end)

  test("a backup without a port has that of the host", function()
    local port, stop = server(serve_name "second")
    local channel = socketchannel.channel { host = "no-such-host.invalid", port = port, backup = { HOST } }
    equal(channel:request("x\n", read_line), "second")
    channel:close()
    stop()
  end)

  test("changehost fails what waits and the next request goes to the new host", function()
    local first, stop_first = server(serve_lines)
    local second, stop_second = server(serve_name "second")
    local channel = socketchannel.channel { host = HOST, port = first }
    channel:connect(true)
    local _, await = gather(2, function() return channel:request("silence\n", read_line) end)
    skynet.yield()
    channel:changehost(HOST, second)
    all_failed(await(), socketchannel.error)
    equal(channel:request("x\n", read_line), "second")
    channel:close()
    stop_first()
    stop_second()
  end)

  test("changehost redirects an attempt to connect", function()
    local gone, stop_gone = server(serve_lines)
    stop_gone()
    local second, stop = server(serve_name "second")
    local channel = socketchannel.channel { host = HOST, port = gone }
    local sleeping
    local sleep = skynet.sleep
    skynet.sleep = function(cs, token)
      if type(token) ~= "table" then return sleep(cs, token) end
      sleeping = true
      return sleep(360000, token)
    end
    local _, await_connect = gather(1, function() return channel:connect() end)
    wait_until(function() return sleeping end)
    skynet.sleep = sleep
    channel:changehost(HOST, second)
    equal(await_connect(), { { true, true, 1 } })
    equal(channel:request("x\n", read_line), "second")
    channel:close()
    stop()
  end)

  test("auth comes before the requests on every connection", function()
    local log = {}
    local port, stop = server(function(id)
      for line in lines(id) do
        log[#log + 1] = line
        if line == "close" then return end
        socket.write(id, "+" .. line .. "\n")
      end
    end)
    local channel = socketchannel.channel {
      host = HOST, port = port,
      auth = function(channel)
        if #log == 0 then
          skynet.fork(channel.request, channel, "early\n", read_line)
          skynet.yield()
        end
        equal(channel:request("user\n", read_line), "user")
        equal(channel:request("password\n", read_line), "password")
      end,
    }
    local _, await = gather(2, function() return channel:request("x\n", read_line) end)
    equal(await(), { { true, "x", 1 }, { true, "x", 1 } })
    raises("Error: socket", channel.request, channel, "close\n", read_line)
    equal(channel:request("y\n", read_line), "y")
    equal(log, { "user", "password", "x", "x", "early", "close", "user", "password", "y" })
    channel:close()
    stop()
  end)

  test("a request waits while auth is under way and fails when it fails", function()
    local port, stop, ids = server(serve_lines)
    local channel = socketchannel.channel {
      host = HOST, port = port,
      auth = function() error("the password is wrong", 0) end,
    }
    local _, await = gather(2, function() return channel:request("x\n", read_line) end)
    all_failed(await(), socketchannel.error)
    wait_until(function() return socket.invalid(ids[1]) end)
    channel:close()
    stop()
  end)

  test("close ends auth and the requests that wait for it", function()
    local port, stop = server(serve_lines)
    local failure
    local channel = socketchannel.channel {
      host = HOST, port = port,
      auth = function(channel)
        local _
        _, failure = pcall(channel.request, channel, "silence\n", read_line)
        pcall(channel.request, channel, "more\n", read_line)
      end,
    }
    local _, await = gather(2, function() return channel:request("x\n", read_line) end)
    wait_until(function() return channel.__sock and channel.__sock.last == 1 end)
    channel:close()
    all_failed(await(), socketchannel.error)
    wait_until(function() return failure end)
    equal(failure == socketchannel.error, true)
    stop()
  end)

  test("auth may change the host", function()
    local first, stop_first = server(serve_name "first")
    local second, stop_second = server(serve_name "second")
    local seen = {}
    local channel = socketchannel.channel {
      host = HOST, port = first,
      auth = function(channel)
        local name = channel:request("who\n", read_line)
        seen[#seen + 1] = name
        if name == "first" then channel:changehost(HOST, second) end
      end,
    }
    equal(channel:request("x\n", read_line), "second")
    equal(seen, { "first", "second" })
    channel:close()
    stop_first()
    stop_second()
  end)

  test("auth that changes the host for ever is given up", function()
    local port, stop = server(serve_name "first")
    local count = 0
    local channel = socketchannel.channel {
      host = HOST, port = port,
      auth = function(channel)
        count = count + 1
        channel:changehost(HOST, port)
      end,
    }
    raises("Error: socket", channel.request, channel, "x\n", read_line)
    equal(count, 16)
    channel:close()
    stop()
  end)
end

local function test_description()
  test("overload tells when output waits and when it is gone", function()
    local port, stop, ids = server(function() skynet.wait {} end)
    local told = {}
    local channel = socketchannel.channel {
      host = HOST, port = port,
      overload = function(is_overloaded) told[#told + 1] = is_overloaded end,
    }
    channel:connect(true)
    wait_until(function() return ids[1] end)
    local bytes = 0
    while #told == 0 do
      channel:request(("x"):rep(MIB))
      bytes = bytes + MIB
      skynet.sleep(1)
    end
    equal(told, { true })
    equal(#socket.read(ids[1], bytes), bytes)
    wait_until(function() return #told == 2 end)
    equal(told, { true, false })
    channel:close()
    stop()
  end)

  test("overload ends with the connection", function()
    local port, stop, ids = server(function() skynet.wait {} end)
    local told = {}
    local channel = socketchannel.channel {
      host = HOST, port = port,
      overload = function(is_overloaded) told[#told + 1] = is_overloaded end,
    }
    while #told == 0 do
      channel:request(("x"):rep(MIB))
      skynet.sleep(1)
    end
    channel:close()
    wait_until(function() return #told == 2 end)
    equal(told, { true, false })
    equal(#ids, 1)
    stop()
  end)

  test("nodelay is set when asked for", function()
    local port, stop = server(serve_lines)
    local nodelay, seen = driver.nodelay, {}
    driver.nodelay = function(id)
      seen[#seen + 1] = id
      return nodelay(id)
    end
    local plain = socketchannel.channel { host = HOST, port = port }
    plain:connect(true)
    equal(seen, {})
    local channel = socketchannel.channel { host = HOST, port = port, nodelay = true }
    channel:connect(true)
    driver.nodelay = nodelay
    equal(seen, { channel.__sock[1] })
    plain:close()
    channel:close()
    stop()
  end)

  test("own functions may read the socket", function()
    local port, stop = server(serve_lines)
    local called = {}
    local channel = socketchannel.channel {
      host = HOST, port = port,
      socket_read = function(id, bytes)
        called[#called + 1] = bytes
        return socket.read(id, bytes)
      end,
      socket_readline = function(id, separator)
        called[#called + 1] = separator
        return socket.readline(id, separator)
      end,
    }
    local answer = channel:request("abc\n", function(reader)
      return true, reader:read(2) .. "|" .. reader:readline "\n"
    end)
    equal({ answer, called }, { "+a|bc", { 2, "\n" } })
    channel:close()
    stop()
  end)
end

skynet.start(function()
  test_order_mode()
  test_session_mode()
  test_connections()
  test_hosts()
  test_description()
  check.done()
end)
