-- A client's connection that many coroutines share: requests go out in the order of the calls, answers
-- find their callers, and a connection that broke is made again when it is needed.
--
-- Order mode: the server answers in the order of the requests; each request brings the function that
-- reads its answer. Session mode (`response` in the description): answers carry a session number.
--
-- All that belongs to one connection is in one `link`; when it breaks, each of its waiters gets the
-- error once, and nothing of it reaches the next link.
local skynet = require "skynet"
local socket = require "skynet.socket"
local driver = require "skynet.socketdriver"

local RETRY_SECONDS_MAX = 11 -- a retry waits 0, 1, 2 ... 11 s, then again from 0
local HOPS_MAX = 16          -- how often `auth` may change the host within one connect

local M = {}

---What a request raises when the connection breaks or cannot be made.
M.error = setmetatable({}, { __tostring = function() return "[Error: socket]" end })

---@class skynet.socketchannel.description
---@field host string
---@field port integer?
---@field backup (string|{host: string, port: integer})[]? hosts to try when `host` is not reachable
---@field auth fun(channel: skynet.socketchannel)? called on every new connection, before any request
---@field response (fun(reader: skynet.socketchannel.reader): any, boolean, any, boolean?)? session mode:
---  reads one answer, returns session, ok, data and whether more parts follow
---@field nodelay boolean?
---@field overload fun(is_overloaded: boolean)? the output queue grows above 1 MiB, or is empty again
---@field socket_read (fun(id: integer, bytes: integer?): string?)? in place of socket.read
---@field socket_readline (fun(id: integer, separator: string?): string?)? in place of socket.readline

---What response functions read from; raises when the connection ends.
---@class skynet.socketchannel.reader
---@field read fun(self, bytes: integer?): string
---@field readline fun(self, separator: string?): string
---@field is_last fun(self): boolean order mode: nobody waits behind the one whose answer is being read

---@class skynet.socketchannel
local channel = {}
channel.__index = channel

---@param description skynet.socketchannel.description
---@return skynet.socketchannel
function M.channel(description)
  return setmetatable({
    __host = assert(description.host, "socketchannel: a channel needs a host"),
    __port = description.port,
    __backup = description.backup,
    __auth = description.auth,
    __response = description.response,
    __nodelay = description.nodelay,
    __overload_notify = description.overload,
    __read = description.socket_read or socket.read,
    __readline = description.socket_readline or socket.readline,
    __closed = false,
    __moves = 0, -- how often the host was changed
  }, channel)
end

local function place(self)
  return self.__port and ("%s:%s"):format(self.__host, self.__port) or self.__host
end

-- A link: [1] is the socket; `first` to `last` index the waiters of order mode, `sessions` has those of
-- session mode; `auth` is the coroutine that may use it before everybody else.
local reader = {}
reader.__index = reader

function reader:read(bytes)
  return self.channel.__read(self[1], bytes) or error(M.error)
end

function reader:readline(separator)
  return self.channel.__readline(self[1], separator) or error(M.error)
end

function reader:is_last()
  return self.first == self.last
end

local function finish(waiter, ok, data)
  waiter.is_done, waiter.ok, waiter.data = true, ok, data
  skynet.wakeup(waiter)
end

---One part of an answer. Returns whether it was the last.
local function deliver(waiter, ok, data, is_more)
  local parts = waiter.parts
  if is_more or (parts and ok) then
    parts = parts or {}
    parts[#parts + 1] = data
    waiter.parts, data = parts, parts
  end
  if not is_more then finish(waiter, ok, data) end
  return not is_more
end

local function await_response(waiter)
  repeat
    skynet.wait(waiter)
  until waiter.is_done
  if waiter.ok then return waiter.data end
  error(waiter.data or "the response function reports a failure without saying which", 0)
end

---Ends the connection. Whoever waits for an answer on it gets `failure`, once.
local function break_link(self, link, failure)
  if link.is_broken then return end
  link.is_broken = true
  if self.__sock == link then self.__sock = nil end
  if link.is_overloaded then skynet.fork(self.__overload_notify, false) end
  skynet.fork(socket.close, link[1])
  failure = failure or M.error
  for i = link.first, link.last do finish(link[-i], false, failure) end
  for _, waiter in pairs(link.sessions) do finish(waiter, false, failure) end
  skynet.wakeup(link) -- its reader, when it has nothing to read
end

local function break_on(self, link, failure)
  if link.is_broken then return end
  if failure ~= M.error then skynet.error("socket: response failed:", failure) end
  break_link(self, link, failure)
end

---Order mode: the first waiter's function reads the next answer.
local function read_in_order(self, link)
  while not link.is_broken do
    local waiter = link[-link.first]
    if waiter then
      local called, ok, data, is_more = pcall(waiter.response, link)
      if link.is_broken then return end
      if not called then return break_on(self, link, ok) end
      if deliver(waiter, ok, data, is_more) then
        link[-link.first] = nil
        link.first = link.first + 1
      end
    else
      skynet.wait(link)
    end
  end
end

---Session mode: each answer says whose it is.
local function read_sessions(self, link)
  while true do
    local called, session, ok, data, is_more = pcall(self.__response, link)
    if link.is_broken then return end
    if not called then return break_on(self, link, session) end
    if session == nil then return break_link(self, link) end
    local waiter = link.sessions[session]
    if not waiter then
      skynet.error("socket: unknown session :", session)
    elseif deliver(waiter, ok, data, is_more) then
      link.sessions[session] = nil
    end
  end
end

---The server has closed.
local function lose_link(self, link)
  skynet.error("socket: disconnect detected", self.__host, self.__port)
  break_link(self, link)
end

---Order mode: nobody waits for an answer, and nobody is about to ask.
local function is_idle(link)
  return not link.auth and link.first > link.last
end

---Order mode: lets go of a link that the server has closed. While somebody waits its reader does that, and in
---session mode it always reads.
local function watch_end(self, link)
  socket.onclose(link[1], function()
    if not link.is_broken and is_idle(link) then lose_link(self, link) end
  end)
end

local function watch_overload(self, link)
  socket.warning(link[1], function(_, kib)
    local is_overloaded = kib > 0
    if link.is_broken or is_overloaded == link.is_overloaded then return end
    link.is_overloaded = is_overloaded
    self.__overload_notify(is_overloaded)
  end)
end

local function add_link(self, id)
  local link = setmetatable({ id, channel = self, first = 1, last = 0, sessions = {}, is_overloaded = false },
    reader)
  self.__sock = link
  if self.__nodelay then driver.nodelay(id) end
  if self.__overload_notify then watch_overload(self, link) end
  if not self.__response then watch_end(self, link) end
  skynet.fork(self.__response and read_sessions or read_in_order, self, link)
  return link
end

---Lets `auth` have the link first. Returns why it failed.
local function authenticate(self, link)
  if not self.__auth then return nil end
  link.auth = coroutine.running()
  local ok, failure = pcall(self.__auth, self)
  link.auth = nil
  if ok then return nil end
  if failure ~= M.error then skynet.error("socket: auth failed", failure) end
  break_link(self, link)
  return failure
end

local function open(host, port)
  local ok, id, failure = pcall(socket.open, host, port)
  if not ok then return nil, id end
  return id, failure
end

---Opens a socket to the host, or to the first of its backups that answers.
local function open_any(self, is_wanted)
  local id, failure = open(self.__host, self.__port)
  for _, backup in ipairs(self.__backup or {}) do
    if id or not is_wanted() then break end
    local host, port = backup, self.__port
    if type(backup) == "table" then host, port = backup.host, backup.port end
    skynet.error("socket: connect to backup host", host, port)
    id, failure = open(host, port)
    if id and is_wanted() then self.__host, self.__port = host, port end
  end
  return id, failure
end

---Makes one connection. Returns why it could not, or nil.
local function connect_once(self, is_wanted)
  for _ = 1, HOPS_MAX do
    local moves = self.__moves
    local id, failure = open_any(self, is_wanted)
    if not is_wanted() then
      if id then socket.close(id) end
      return "given up"
    end
    if not id then return failure end
    local link = add_link(self, id)
    failure = authenticate(self, link)
    if not link.is_broken then return nil end
    if moves == self.__moves then return failure or "the connection broke" end
  end
  return ("auth changed the host %d times"):format(HOPS_MAX)
end

-- An attempt to connect: its array part are the tokens of those who wait for its end.

local function settle(self, attempt, failure)
  attempt.is_over, attempt.failure = true, failure
  if self.__connecting == attempt then self.__connecting = nil end
  for _, token in ipairs(attempt) do skynet.wakeup(token) end
  skynet.wakeup(attempt) -- when it sleeps before the next try
end

local function run(self, attempt)
  local thread = coroutine.running()
  attempt.thread = thread
  local function is_wanted() return not attempt.is_over and attempt.thread == thread end
  local delay = 0
  repeat
    local failure = connect_once(self, is_wanted)
    if not is_wanted() then return end
    if not failure or attempt.once then return settle(self, attempt, failure) end
    skynet.error("socket: connect", failure)
    skynet.sleep(delay * 100, attempt)
    delay = delay < RETRY_SECONDS_MAX and delay + 1 or 0
  until not is_wanted()
end

---The attempt that is under way, or a new one.
local function join_attempt(self, once)
  local attempt = self.__connecting
  if not attempt then
    attempt = { once = once }
    self.__connecting = attempt
    skynet.fork(run, self, attempt)
  elseif attempt.thread == coroutine.running() then
    error(M.error) -- `auth` has lost its connection; it must not wait for itself
  end
  return attempt
end

---The connection as it is, if the caller may use it.
local function usable_link(self)
  local link = self.__sock
  if not link then return nil end
  local id = link[1]
  if socket.invalid(id) or socket.disconnected(id) then
    lose_link(self, link)
    return nil
  end
  if link.auth and link.auth ~= coroutine.running() then return nil end
  return link
end

---The connection; makes it when there is none. Nil when the channel is closed.
---@param once boolean? raise when the first try fails
local function await_link(self, once)
  local link = usable_link(self)
  while not link do
    if self.__closed then return nil end
    local attempt, token = join_attempt(self, once), {}
    attempt[#attempt + 1] = token
    repeat
      skynet.wait(token)
    until attempt.is_over
    link = not attempt.failure and self.__sock
    if not link and once and not self.__closed then
      skynet.error(("Connect to %s failed (%s)"):format(place(self), attempt.failure or "it broke"))
      error(M.error)
    end
  end
  return link
end

---Connects, unless it is connected. Tries again after 0, 1, 2 ... 11 s, then from 0, until it succeeds.
---Reopens a channel that was closed.
---@param once boolean? true: raises socketchannel.error when the first try fails
---@return boolean is_connected false: the channel was closed meanwhile
function channel:connect(once)
  self.__closed = false
  return await_link(self, once) ~= nil
end

local function add_waiter(self, link, response)
  local waiter = { response = response }
  if self.__response then
    link.sessions[response] = waiter
  else
    link.last = link.last + 1
    link[-link.last] = waiter
    skynet.wakeup(link)
  end
  return waiter
end

local function write_all(id, data, parts)
  if not parts then return socket.write(id, data) end
  local is_accepted = socket.lwrite(id, data)
  for _, part in ipairs(parts) do is_accepted = is_accepted and socket.lwrite(id, part) end
  return is_accepted
end

---Sends a request and waits for its answer; connects when there is no connection (one try).
---Raises socketchannel.error when the connection breaks or cannot be made, and what the response
---function gave in place of data when it returned false.
---@param data string
---@param response? any order mode: function(reader) -> ok, data [, more]; session mode: the session;
---  nil: no answer is expected
---@param parts string[]? more to send, at low priority as then `data` is, too
---@return any data the answer; an array when it came in parts
function channel:request(data, response, parts)
  local link = await_link(self, true) or error(M.error)
  if response ~= nil and link.sessions[response] then
    error(("socketchannel: session %s waits for its answer already"):format(tostring(response)), 2)
  end
  if not write_all(link[1], data, parts) then
    break_link(self, link)
    error(M.error)
  end
  if response ~= nil then return await_response(add_waiter(self, link, response)) end
end

---Waits for an answer without a request; connects when there is no connection (until it succeeds).
---@param response any as in request()
---@return any data
function channel:response(response)
  assert(response ~= nil, "socketchannel: response() needs a function or a session")
  local link = await_link(self) or error(M.error)
  return await_response(add_waiter(self, link, response))
end

---Order mode: ends the connection when bytes came while nobody waited. They would be taken for the next answer,
---and each answer after it for another's. The next request makes a new connection.
---@param failure string for the log
function channel:refuse_surplus(failure)
  local link = self.__sock
  if not link or not is_idle(link) then return end
  if socket.unread(link[1]) > 0 then break_on(self, link, failure) end
end

---Session mode: ends the wait for an answer; who waits for it gets `failure`. When it comes after all, it is the
---response function's to drop.
---@param session any
---@param failure string
function channel:give_up(session, failure)
  local link = self.__sock
  local waiter = link and link.sessions[session]
  if not waiter then return end
  link.sessions[session] = nil
  finish(waiter, false, failure)
end

---Closes the connection and ends the attempt to make one; whoever waits gets socketchannel.error.
function channel:close()
  if self.__closed then return end
  self.__closed = true
  if self.__connecting then settle(self, self.__connecting, "the channel was closed") end
  if self.__sock then break_link(self, self.__sock) end
end

channel.__close = channel.close

---Another server from now on: the connection is closed, the next request makes a new one.
---@param host string
---@param port integer? default: as before
function channel:changehost(host, port)
  self.__host, self.__port = host, port or self.__port
  self.__moves = self.__moves + 1
  if self.__closed then return end
  local attempt = self.__connecting
  if attempt and attempt.thread ~= coroutine.running() then skynet.fork(run, self, attempt) end
  if self.__sock then break_link(self, self.__sock) end
end

---@param backup (string|{host: string, port: integer})[] hosts to try when the host is not reachable
function channel:changebackup(backup)
  self.__backup = backup
end

return M
