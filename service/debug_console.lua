-- A port for people who look after the node: one command per line, or one per HTTP request.
-- Arguments: [ip] port. Keys: console_line_max (bytes of a line or body, 8192), console_max_conn (16),
-- console_token (clients must begin with `auth TOKEN`, or send the header X-Console-Token).

local skynet = require "skynet"
local socket = require "skynet.socket"
local commands = require "skyloom.console_commands"
local console_reader = require "skyloom.console_reader"

local kHttpReadTicks = 1000  -- for a whole request, in cs

local arguments = table.pack(...)
local ip = arguments.n > 1 and arguments[1] or "127.0.0.1"
local port = tonumber(arguments[arguments.n])
  or error(string.format("debug_console needs [ip] port, not %q", table.concat(arguments, " ")), 0)

local function number_of(key, default)
  local text = skynet.getenv(key)
  if not text then return default end
  local number = math.tointeger(tonumber(text))
  if not number or number < 1 then
    error(string.format("%s = %q is no number from 1 on", key, text), 0)
  end
  return number
end

local line_max = number_of("console_line_max", 8192)
local connections_max = number_of("console_max_conn", 16)
local token = skynet.getenv "console_token"
local connections = 0

--- Takes as long for a guess that is almost right as for any other.
local function is_token(guess)
  if type(guess) ~= "string" or #guess ~= #token then return false end
  local difference = 0
  for i = 1, #token do
    difference = difference | (string.byte(guess, i) ~ string.byte(token, i))
  end
  return difference == 0
end

local function printable(line)
  return (string.gsub(line, "[%c\127]", "?"))
end

local function refuse(session, reason)
  skynet.error(string.format("%s refused: %s", session.peer, reason))
  socket.write(session.fd, reason .. "\n<CMD Error>\n")
end

--- Runs one line. Everybody can read in the log who did what.
local function run(session, line)
  skynet.error(string.format("%s command: %s", session.peer, printable(line)))
  local is_done, output = commands.run(session, line)
  socket.write(session.fd, output .. (is_done and "<CMD OK>\n" or "<CMD Error>\n"))
end

--- Why a request is not to be trusted, nil if it is: what a web page makes a browser send is refused.
local function suspicion(header)
  if header.origin then return "requests from web pages (Origin) are refused" end
  if header.referer then return "requests from web pages (Referer) are refused" end
  local site = header["sec-fetch-site"]
  if site and site ~= "none" then return "requests from web pages (Sec-Fetch-Site) are refused" end
  local host = header.host
  if not host then return nil end
  local name = string.lower(string.match(host, "^%[(.-)%]") or string.match(host, "^[^:]*"))
  if name == "localhost" or name == "::1" or name == ip or string.find(name, "^127%.%d+%.%d+%.%d+$") then
    return nil
  end
  return string.format("Host %s is not this console", printable(host))
end

local function read_http(session, first_line)
  local httpd = require "http.httpd"
  session.reader:unread(first_line)
  skynet.timeout(kHttpReadTicks, function()
    if not session.is_request_read then socket.shutdown(session.fd) end
  end)
  local code, url, method, header, body =
    httpd.read_request(function() return session.reader:some() end, line_max)
  session.is_request_read = true
  if code ~= 200 then
    return nil, code and tostring(url) or "the request did not come whole"
  end
  local reason = suspicion(header)
  if reason then return nil, reason end
  if token and not is_token(header["x-console-token"]) then
    return nil, "the header X-Console-Token is missing or wrong"
  end
  if method == "POST" then return body end
  if method ~= "GET" then return nil, string.format("method %s: only GET and POST", method) end
  local path = require("http.url").parse(url)
  return (string.gsub(path, "/", " "))
end

local function serve_http(session, first_line)
  session.is_http = true
  local line, reason = read_http(session, first_line)
  if not line then return refuse(session, reason) end
  run(session, line)
end

--- With a token: whether the first line shows it.
local function is_admitted(session, line)
  if not token or session.is_admitted then return true end
  session.is_admitted = is_token(string.match(line, "^auth (.*)$"))
  return session.is_admitted
end

local function talk(session)
  socket.write(session.fd, "Welcome to skynet console\n")
  local raw = session.reader:line()
  while raw do
    if string.find(raw, "^%u+ %S+ HTTP/%d") or string.find(raw, "^GET ") or string.find(raw, "^POST ") then
      return serve_http(session, raw)
    end
    local line = string.match(raw, "^(.-)\r?\n$")
    if not is_admitted(session, line) then
      return refuse(session, "this console wants `auth TOKEN` first")
    end
    if token and string.find(line, "^auth ") then
      socket.write(session.fd, "<CMD OK>\n")
    elseif string.find(line, "%S") then
      run(session, line)
    end
    raw = session.reader:line()
  end
end

local function serve(fd, peer)
  skynet.error(peer .. " connected")
  local session = { fd = fd, peer = peer, reader = console_reader.create(fd, line_max) }
  local is_done, reason = pcall(talk, session)
  if not is_done then refuse(session, tostring(reason)) end
  skynet.error(peer .. " disconnect")
  connections = connections - 1
  session.reader:close()
  socket.close(fd)
end

local function on_accept(fd, peer)
  if connections >= connections_max then
    skynet.error(string.format("%s refused: %d consoles are open (console_max_conn)", peer, connections))
    return socket.close_fd(fd)
  end
  connections = connections + 1
  socket.start(fd)
  skynet.fork(serve, fd, peer)
end

skynet.start(function()
  local listener, real_ip, real_port = socket.listen(ip, port)
  skynet.error(string.format("Start debug console at %s:%d", real_ip or ip, real_port or port))
  socket.start(listener, on_accept)
end)
