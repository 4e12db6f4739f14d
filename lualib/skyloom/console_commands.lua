-- The commands of the debug console. Each gets the console's session and its words; what it returns is
-- printed: a text, or a table as lines `key<TAB>value`.

local skynet = require "skynet"
local core = require "skynet.core"

local kAnswerTicksDefault = 300  -- what stat, mem and gc wait for a service, in cs
local kInjectedBytesMax = 1 << 20
local kInstructionsMax = 1000000  -- of the expressions of `call`, which run in the console

local M = {}
local command = {}

--- A handle from hex, :hex or .name; hex without colon is local to this node.
local function to_handle(address)
  if not address then error("an address is missing: hex, :hex or .name", 0) end
  if string.sub(address, 1, 1) == "." then
    return skynet.localname(address) or error(string.format("no service has the name %s", address), 0)
  end
  local colon, digits = string.match(address, "^(:?)0?[xX]?(%x+)$")
  local handle = digits and #digits <= 8 and tonumber(digits, 16)
  if not handle then
    error(string.format("%s is no address: hex, :hex or .name", address), 0)
  end
  if colon == "" then
    handle = handle | skynet.harbor(skynet.self()) << 24
  end
  return handle
end

local function ask(address, ...)
  return skynet.call(to_handle(address), "debug", ...)
end

local function ask_launcher(name, centiseconds)
  local ticks = kAnswerTicksDefault
  if centiseconds then
    ticks = math.tointeger(tonumber(centiseconds))
      or error(string.format("%s is no whole number of centiseconds", centiseconds), 0)
  end
  return skynet.call(".launcher", "lua", name, ticks > 0 and ticks or nil)
end

local function read_switch(word)
  if word == nil then return nil end
  if word ~= "on" and word ~= "off" then
    error(string.format("%s is neither on nor off", word), 0)
  end
  return word == "on"
end

function command.help(_, name)
  local help = require "skyloom.console_help"
  if not name then
    local list = {}
    for each, entry in pairs(help) do list[each] = entry.description end
    return list
  end
  local entry = help[name] or error(string.format("there is no command %s", name), 0)
  local usage = entry.arguments == "" and name or name .. " " .. entry.arguments
  return string.format("%s\n%s%s", usage, entry.description, entry.more and "\n" .. entry.more or "")
end

function command.list()
  return skynet.call(".launcher", "lua", "LIST")
end

function command.stat(_, centiseconds) return ask_launcher("STAT", centiseconds) end

function command.mem(_, centiseconds) return ask_launcher("MEM", centiseconds) end

function command.gc(_, centiseconds) return ask_launcher("GC", centiseconds) end

function command.info(_, address, ...) return ask(address, "INFO", ...) end

function command.ping(_, address)
  local start = skynet.now()
  ask(address, "PING")
  return tostring(skynet.now() - start)
end

function command.task(_, address) return ask(address, "TASK") end

function command.uniqtask(_, address) return ask(address, "UNIQTASK") end

function command.killtask(_, address, ...)
  local thread = table.concat({ ... }, " ")
  if thread == "" then error("the name of a thread is missing: see `task`", 0) end
  return ask(address, "KILLTASK", thread)
end

function command.exit(_, address)
  local handle = to_handle(address)
  if not skynet.send(handle, "debug", "EXIT") then
    error(string.format("call to invalid address %s", skynet.address(handle)), 0)
  end
end

function command.kill(_, address)
  return skynet.call(".launcher", "lua", "KILL", to_handle(address))
end

local function started(is_started, handle, name)
  if not is_started then return "Failed" end
  if not handle then return "Exit" end
  return { [skynet.address(handle)] = name }
end

local function check_service(name)
  return name or error("the name of a service is missing", 0)
end

function command.start(_, name, ...)
  local is_started, handle = pcall(skynet.newservice, check_service(name), ...)
  return started(is_started, handle, name)
end

function command.snax(_, name, ...)
  local is_started, handle = pcall(require("skynet.snax").rawnewservice, check_service(name), ...)
  return started(is_started, handle, name)
end

function command.log(_, name, ...)
  local is_started, handle =
    pcall(skynet.call, ".launcher", "lua", "LOGLAUNCH", "snlua", check_service(name), ...)
  return started(is_started, handle, name)
end

function command.service()
  return skynet.call(".service", "lua", "LIST")
end

function command.call(session, address)
  local handle = to_handle(address)
  local expressions = string.match(session.line, "^%s*%S+%s+%S+%s+(.+)$")
    or error("the values to send are missing: Lua expressions", 0)
  local values = load("return " .. expressions, "=call", "t", {})
  if not values then
    error(string.format("%s is no list of Lua expressions", expressions), 0)
  end
  local thread = coroutine.create(values)
  debug.sethook(thread, function() error("the expressions take too long", 0) end, "", kInstructionsMax)
  local arguments = table.pack(coroutine.resume(thread))
  if not arguments[1] then error(arguments[2], 0) end
  return table.pack(skynet.call(handle, "lua", table.unpack(arguments, 2, arguments.n)))
end

function command.inject(_, address, filename, ...)
  local handle = to_handle(address)
  local file, reason = io.open(filename or error("the name of a file is missing", 0), "rb")
  if not file then error("Can't open " .. reason, 0) end
  local source
  source, reason = file:read(kInjectedBytesMax + 1)
  file:close()
  if not source then error(string.format("Can't read %s: %s", filename, reason or "it is empty"), 0) end
  if #source > kInjectedBytesMax then
    error(string.format("%s has more than %d bytes", filename, kInjectedBytesMax), 0)
  end
  local is_done, output = skynet.call(handle, "debug", "RUN", source, filename, ...)
  if not is_done then error(output, 0) end
  return output
end

--- Hands the lines of the console to the debugger until it leaves the service.
local function forward_lines(session, agent, state)
  while not state.is_done do
    local is_read, line = pcall(session.reader.line, session.reader)
    if state.is_done then
      if is_read and line then session.reader:unread(line) end
    else
      line = is_read and line and string.match(line, "^(.-)\r?\n$")
      skynet.send(agent, "lua", "cmd", line or "cont")
      if not line or line == "cont" then break end
    end
  end
  state.is_forwarding = false
  skynet.wakeup(state)
end

function command.debug(session, address)
  local handle = to_handle(address)
  if session.is_http then error("debug needs a console, not a request", 0) end
  local agent = skynet.newservice "debug_agent"
  local state = { is_done = false, is_forwarding = true }
  skynet.fork(forward_lines, session, agent, state)
  local is_answered, is_done, reason = pcall(skynet.call, agent, "lua", "start", handle, session.fd)
  state.is_done = true
  while state.is_forwarding do
    session.reader:interrupt()
    skynet.wait(state)
  end
  if not is_answered then error(is_done, 0) end
  if not is_done then error(reason, 0) end
end

function command.dbgcmd(_, address, name, ...)
  local results = table.pack(ask(address, name or error("the name of a debug command is missing", 0), ...))
  if results.n > 1 then return results end
  return results[1]
end

function command.signal(_, address, number)
  local text = skynet.address(to_handle(address))
  if number and not math.tointeger(tonumber(number)) then
    error(string.format("%s is no signal number", number), 0)
  end
  core.command("SIGNAL", string.format("%s %d", text, number or 0))
end

function command.logon(_, address)
  core.command("LOGON", skynet.address(to_handle(address)))
end

function command.logoff(_, address)
  core.command("LOGOFF", skynet.address(to_handle(address)))
end

function command.trace(_, address, protocol, flag)
  if protocol == "on" or protocol == "off" then
    protocol, flag = "lua", protocol
  end
  ask(address, "TRACELOG", protocol or "lua", read_switch(flag))
end

function command.clearcache()
  require("skynet.codecache").clear()
end

function command.cmem()
  local memory = require "skynet.memory"
  local list = {}
  for handle, bytes in pairs(memory.info()) do
    list[skynet.address(handle)] = bytes
  end
  list.total = memory.total()
  list.block = memory.block()
  return list
end

function command.jmem()
  local list = {}
  for name, bytes in pairs(require("skynet.memory").jestat()) do
    list[name] = string.format("%11d  %8.2f Mb", bytes, bytes / (1 << 20))
  end
  return list
end

local function size_text(bytes)
  if bytes < 1 << 10 then return bytes end
  if bytes < 1 << 20 then return string.format("%.2fK", bytes / (1 << 10)) end
  return string.format("%.2fM", bytes / (1 << 20))
end

local function age_text(ticks)
  if ticks < 6000 then return string.format("%.2fs", ticks / 100) end
  local seconds = ticks // 100
  local minutes = seconds // 60
  if minutes < 60 then return string.format("%d:%02d", minutes, seconds % 60) end
  return string.format("%d:%02d:%02d", minutes // 60, minutes % 60, seconds % 60)
end

function command.netstat()
  local now = skynet.now()
  local list = require("skynet.socket").netstat()
  for _, entry in ipairs(list) do
    entry.address = skynet.address(entry.address)
    for _, key in ipairs { "read", "write", "wbuffer" } do
      entry[key] = entry[key] and size_text(entry[key])
    end
    for _, key in ipairs { "rtime", "wtime" } do
      entry[key] = entry[key] and age_text(math.max(0, now - entry[key]))
    end
  end
  return list
end

function command.profactive(_, flag)
  local is_active = require("skynet.memory").profactive(read_switch(flag))
  return "heap profilling is " .. (is_active and "active" or "deactive")
end

function command.dumpheap()
  require("skynet.memory").dumpheap()
end

function command.getenv(_, name)
  local value = skynet.getenv(name or error("the name of a key is missing", 0))
  return { [name] = tostring(value) }
end

function command.setenv(_, name, value)
  if not name or not value then error("setenv needs a key and a value", 0) end
  skynet.setenv(name, value)
end

local function entry_text(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, part in pairs(value) do
    parts[#parts + 1] = string.format("%s:%s", key, part)
  end
  table.sort(parts)
  return table.concat(parts, "\t")
end

local function result_text(result)
  if result == nil then return "" end
  if type(result) ~= "table" then return tostring(result) .. "\n" end
  local keys = {}
  for key in pairs(result) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  local lines = {}
  for i, key in ipairs(keys) do
    lines[i] = string.format("%s\t%s\n", key, entry_text(result[key]))
  end
  return table.concat(lines)
end

--- Runs one line.
---@param session table of the console: fd, reader, is_http
---@param line string
---@return boolean is_done
---@return string output lines, each with its end
function M.run(session, line)
  local words = {}
  for word in string.gmatch(line, "%S+") do
    words[#words + 1] = word
  end
  local run = command[words[1]]
  if not run then
    return false, "Invalid command, type help for command list\n\n"
  end
  session.line = line
  local is_done, result = pcall(run, session, table.unpack(words, 2))
  return is_done, is_done and result_text(result) or tostring(result) .. "\n"
end

return M
