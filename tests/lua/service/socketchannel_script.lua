-- skynet.socketchannel: how answers find their callers, and what a description may say.
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local servers = require "channel_servers"
local test, equal, raises = check.test, check.equal, check.raises
local wait_until, server, serve_lines, read_line, frame = servers.wait_until, servers.server, servers.serve_lines, servers.read_line, servers.frame
local serve_sessions, read_session, gather, all_failed = servers.serve_sessions, servers.read_session, servers.gather, servers.all_failed

local HOST, MIB = "127.0.0.1", 1024 * 1024

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

  test("a failure ends an answer in parts", function()
    local port, stop = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    local is_more = false
    local _, await = gather(1, function()
      return channel:request("a\nbad\n", function(reader)
        is_more = not is_more
        return is_more, reader:readline(), is_more
      end)
    end)
    equal(await(), { { false, "-bad", 1 } })
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
  test_description()
  check.done()
end)
