-- `.launcher`: starts services for others, answers them when the new one has started, and knows what runs.

local skynet = require "skynet"
local manager = require "skynet.manager"
local core = require "skynet.core"
local is_alive = require "skyloom.scheduler".is_alive

local LOOK_CS = 100  -- how often it is seen to those that are starting

local services = {}  -- handle -> "module args"
local launches = {}  -- handle -> {source, session, response} of who waits for its start
local command = {}
local later = {}  -- result of a command whose answer comes later
local none = {}  -- result of a command that is not meant to be answered

--- A handle from a number or from ":hex".
local function to_handle(address)
  local handle = math.tointeger(address)
  if not handle and type(address) == "string" then
    handle = tonumber(string.match(address, "^:(%x+)$") or "", 16)
  end
  return handle or error(string.format("launcher: %s is no address (a number, or :hex)", address))
end

local function join_arguments(module, ...)
  local words = table.pack(module, ...)
  while words.n > 0 and words[words.n] == nil do  -- optional arguments that nobody gave
    words.n = words.n - 1
  end
  for i = 1, words.n do
    local kind = type(words[i])
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      error(string.format("launcher: value %d of the launch of %s is a %s, not a text or number",
        i, module, kind))
    end
    words[i] = tostring(words[i])
  end
  return table.concat(words, " ", 2, words.n)
end

--- Answers who waits for the start of `handle`, if somebody does.
local function settle(handle, ...)
  local pending = launches[handle]
  if pending then
    launches[handle] = nil
    pending.response(...)
  end
end

--- Who is killed in the middle of its start, past this service, tells nobody.
local is_looking = false
local function look_for_dead()
  if not next(launches) then
    is_looking = false
    return
  end
  skynet.timeout(LOOK_CS, look_for_dead)
  for handle, pending in pairs(launches) do
    if not is_alive(handle) then
      if pending.is_dead then command.ERROR(handle) end
      pending.is_dead = true  -- what it has said last comes before the next look
    end
  end
end

local function launch(verb, source, module, ...)
  local arguments = join_arguments(module, ...)
  local session = skynet.context()
  local response = skynet.response()
  local handle = core.addresscommand(verb, string.format("%s %s", module, arguments))
  if not handle then return response(false) end
  services[handle] = module .. " " .. arguments
  launches[handle] = { source = source, session = session, response = response }
  if not is_looking then
    is_looking = true
    skynet.timeout(LOOK_CS, look_for_dead)
  end
end

function command.LAUNCH(source, ...)
  launch("LAUNCH", source, ...)
  return later
end

function command.LOGLAUNCH(source, ...)
  launch("LOGLAUNCH", source, ...)
  return later
end

function command.LAUNCHOK(source)
  settle(source, true, source)
  return none
end

function command.ERROR(source)
  services[source] = nil
  settle(source, false)
  return none
end

function command.REMOVE(_, handle, is_killed)
  services[handle] = nil
  settle(handle, not is_killed)
  return none
end

function command.KILL(_, address)
  local handle = to_handle(address)
  local killed = { [skynet.address(handle)] = tostring(services[handle]) }
  command.REMOVE(nil, handle, true)
  manager.kill(handle)
  return killed
end

--- The service that is being launched for this session of the asking service, else of any other.
function command.QUERY(source, session)
  local found
  for handle, pending in pairs(launches) do
    if pending.session == session then
      if pending.source == source then return handle end
      found = handle
    end
  end
  return found
end

function command.LIST()
  local list = {}
  for handle, text in pairs(services) do
    list[skynet.address(handle)] = text
  end
  return list
end

--- Asks all services one debug command at once. `show(answer, text)` makes the entry of each; the answer is
--- "ERROR" or "TIMEOUT" where there is none within `centiseconds` (nil: however long it takes).
local function ask_all(debug_command, centiseconds, show)
  local asked = {}
  local list = {}
  local request <close> = skynet.request()
  for handle, text in pairs(services) do
    local question = { handle, "debug", debug_command }
    asked[question] = text
    request:add(question)
  end
  for question, answer in request:select(tonumber(centiseconds)) do
    list[skynet.address(question[1])] = show(answer and answer[1] or "ERROR", asked[question])
    asked[question] = nil
  end
  for question, text in pairs(asked) do
    list[skynet.address(question[1])] = show("TIMEOUT", text)
  end
  return list
end

function command.STAT(_, centiseconds)
  return ask_all("STAT", centiseconds, function(answer) return answer end)
end

function command.MEM(_, centiseconds)
  return ask_all("MEM", centiseconds, function(answer, text)
    local shown = type(answer) == "number" and string.format("%.2f Kb", answer) or answer
    return string.format("%s (%s)", shown, text)
  end)
end

function command.GC(source, centiseconds)
  for handle in pairs(services) do
    skynet.send(handle, "debug", "GC")
  end
  return command.MEM(source, centiseconds)
end

-- What a new service reports: nothing when it has started, ERROR when it could not.
skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  unpack = skynet.tostring,
  dispatch = function(_, source, text)
    if text == "" or text == nil then
      command.LAUNCHOK(source)
    elseif text == "ERROR" then
      command.ERROR(source)
    else
      error(string.format("launcher: text command %q of :%08x is neither empty nor ERROR", text, source))
    end
  end,
}

skynet.dispatch("lua", function(session, source, name, ...)
  local run = command[string.upper(tostring(name))]
  if not run then
    return skynet.retpack { "Unknown command" }
  end
  local answer = run(source, ...)
  if answer == later then return end
  if answer ~= none then
    skynet.retpack(answer)
  elseif session ~= 0 then
    skynet.ret()  -- whoever asks all the same need not wait for ever
  end
end)

skynet.start(function() end)
