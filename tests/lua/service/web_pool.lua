-- A web server as programs for Skynet write it: this service accepts, copies of it answer one request for
-- each connection. Settings: web_protocol (http or https).
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local urllib = require "http.url"

local role, protocol = ...

local function stream_of(id)
  if protocol == "http" then
    return { read = sockethelper.readfunc(id), write = sockethelper.writefunc(id) }
  end
  local tls = require "http.tlshelper"
  local context = tls.newctx()
  context:set_cert(skynet.getenv "certfile", skynet.getenv "keyfile")
  local session = tls.newtls("server", context)
  return {
    init = tls.init_responsefunc(id, session),
    close = tls.closefunc(session),
    read = tls.readfunc(id, session),
    write = tls.writefunc(id, session),
  }
end

local function respond(id, write, ...)
  local is_written, err = httpd.write_response(write, ...)
  if not is_written then skynet.error(string.format("fd = %d, %s", id, err)) end
end

local function content_of(url, method, header, body)
  local path, query = urllib.parse(url)
  local lines = { "method: " .. method, "path: " .. path }
  for name, value in pairs(query and urllib.parse_query(query) or {}) do
    table.insert(lines, string.format("query: %s = %s", name, value))
  end
  for name, value in pairs(header) do table.insert(lines, string.format("%s = %s", name, value)) end
  table.insert(lines, "body: " .. body)
  return table.concat(lines, "\n")
end

local function serve(id)
  socket.start(id)
  local stream = stream_of(id)
  if stream.init then stream.init() end
  local code, url, method, header, body = httpd.read_request(stream.read, 8192)
  if not code then
    skynet.error(url == sockethelper.socket_error and "socket closed" or url)
  elseif code ~= 200 then
    respond(id, stream.write, code)
  else
    respond(id, stream.write, code, content_of(url, method, header, body))
  end
  socket.close(id)
  if stream.close then stream.close() end
end

if role == "agent" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, id) serve(id) end)
  end)
else
  skynet.start(function()
    local agents = {}
    for i = 1, 3 do agents[i] = skynet.newservice(SERVICE_NAME, "agent", skynet.getenv "web_protocol") end
    local last = 1
    local id, _, port = socket.listen("127.0.0.1", 0)
    socket.start(id, function(client)
      skynet.send(agents[last], "lua", client)
      last = last % #agents + 1
    end)
    skynet.error("web pool on " .. port)
  end)
end
