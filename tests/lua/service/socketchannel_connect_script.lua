-- skynet.socketchannel: how connections are made, break, move and come back.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local check = require "check"
local servers = require "channel_servers"
local test, equal, raises = check.test, check.equal, check.raises
local wait_until, lines, server, serve_lines, read_line = servers.wait_until, servers.lines, servers.server, servers.serve_lines, servers.read_line
local gather, all_failed = servers.gather, servers.all_failed

local HOST = "127.0.0.1"

-- Begins to connect: a function that waits for the end. When this returns, the first try has failed and the channel
-- sleeps for an hour.
local function connect_and_sleep(channel)
  local sleeping
  local sleep = skynet.sleep
  skynet.sleep = function(cs, token)
    if type(token) ~= "table" then return sleep(cs, token) end
    sleeping = true
    return sleep(360000, token)
  end
  local _, await = gather(1, function() return channel:connect() end)
  wait_until(function() return sleeping end)
  skynet.sleep = sleep
  return await
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

  test("a connection that ends while nobody waits is let go, and made again for the next request", function()
    local port, stop, ids = server(serve_lines)
    local channel = socketchannel.channel { host = HOST, port = port }
    channel:request "close\n"
    local id = channel.__sock[1]
    wait_until(function() return socket.invalid(id) end)
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
    local await_connect = connect_and_sleep(channel)
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
    local await_connect = connect_and_sleep(channel)
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

skynet.start(function()
  test_connections()
  test_hosts()
  check.done()
end)
