-- Answers requests, as many as a client sends on its connection:
--   GET /                 a page            GET /greet?name=...   a greeting
--   POST /echo            the body          GET /count?to=...     a line per number, in chunks
local skynet = require "skynet"
local socket = require "skynet.socket"
local httpd = require "http.httpd"
local sockethelper = require "http.sockethelper"
local urls = require "http.url"

local BODY_BYTES_MAX = 1024 * 1024
local COUNT_MAX = 1000000

local PAGE = [[<!DOCTYPE html>
<title>Skyloom</title>
<p>This page was served by Lua. <a href="/greet?name=you">Greet me</a>, <a href="/count?to=10">count to ten</a>.
]]

local html = { ["content-type"] = "text/html; charset=utf-8" }
local plain = { ["content-type"] = "text/plain; charset=utf-8" }

local routes = {}

routes["GET /"] = function() return 200, PAGE, html end

routes["GET /greet"] = function(query)
  local name = query.name
  if type(name) ~= "string" then return 400, "greet needs one name\n", plain end
  return 200, ("hello %s\n"):format(name), plain
end

routes["POST /echo"] = function(_, body, header)
  return 200, body, { ["content-type"] = header["content-type"] or "application/octet-stream" }
end

routes["GET /count"] = function(query)
  local to = math.tointeger(tonumber(query.to))
  if not to or to < 0 or to > COUNT_MAX then
    return 400, ("count needs a number from 0 to %d\n"):format(COUNT_MAX), plain
  end
  local last = 0
  return 200, function()
    if last == to then return nil end
    local lines = {}
    for i = 1, math.min(100, to - last) do lines[i] = last + i .. "\n" end
    last = last + #lines
    return table.concat(lines)
  end, plain
end

local function answer(method, url, header, body)
  local path, query = urls.parse(url)
  local is_head = method == "HEAD"
  local route = routes[(is_head and "GET" or method) .. " " .. path]
  if not route then return 404, ("there is no %s %s\n"):format(method, path), plain end
  local is_done, code, content, fields = pcall(route, urls.parse_query(query or ""), body, header)
  if not is_done then
    skynet.error(("%s %s failed: %s"):format(method, path, code))
    return 500, "internal error\n", plain
  end
  return code, content, fields
end

--- A response to HEAD says how long the body would be, and has none.
local function write(writefunc, method, is_persistent, code, content, fields)
  local header = { connection = is_persistent and "keep-alive" or "close" }
  for name, value in pairs(fields) do header[name] = value end
  if method == "HEAD" then
    if type(content) == "string" then header["content-length"] = #content end
    content = nil
  end
  return httpd.write_response(writefunc, code, content, header)
end

local function serve(client)
  if not socket.start(client) then return end
  local readfunc, writefunc = sockethelper.readfunc(client), sockethelper.writefunc(client)
  local is_persistent
  repeat
    local code, url, method, header, body
    code, url, method, header, body, is_persistent = httpd.read_request(readfunc, BODY_BYTES_MAX, writefunc)
    if code == 200 then
      is_persistent = write(writefunc, method, is_persistent, answer(method, url, header, body)) and is_persistent
    elseif code then
      write(writefunc, "GET", false, code, url .. "\n", plain)
    end
  until code ~= 200 or not is_persistent
  socket.close(client)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, client) skynet.fork(serve, client) end)
end)
