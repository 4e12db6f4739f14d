-- `.service`: services that exist once per node or, on the node that is the master of a harbor network
-- (there also `SERVICE`), once per network. Answers `value`, or `nil, error text`.

local skynet = require "skynet"
require "skynet.manager"

local started = {}  -- name -> handle, or the text of the error that its start ended with
local pending = {}  -- name -> {starter = source or nil, waiters = list of threads}
local command = {}

local function pending_of(name)
  local entry = pending[name] or { waiters = {} }
  pending[name] = entry
  return entry
end

--- The handle in the end; raises when the start failed, now or earlier.
local function result_of(name)
  local result = started[name]
  if type(result) ~= "number" then error(result, 0) end
  return result
end

local function settle(name, result)
  local entry = pending[name]
  started[name], pending[name] = result, nil
  for _, thread in ipairs(entry.waiters) do
    skynet.wakeup(thread)
  end
end

local function wait_for(name)
  local thread = coroutine.running()
  table.insert(pending_of(name).waiters, thread)
  while started[name] == nil do
    skynet.wait(thread)
  end
  return result_of(name)
end

--- The one that start(...) makes, or has made, or is making.
local function start_once(name, start, ...)
  if started[name] then return result_of(name) end
  local entry = pending_of(name)
  if entry.starter then return wait_for(name) end
  local _, source = skynet.context()
  entry.starter = source
  local is_started, result = pcall(start, ...)
  if is_started and type(result) ~= "number" then
    result = string.format("service %s exited before it had started", name)
  end
  settle(name, type(result) == "number" and result or tostring(result))
  return result_of(name)
end

local function check_name(name)
  if type(name) ~= "string" then
    error(string.format("the name of a service is a string, not a %s", type(name)), 0)
  end
  return name
end

--- Names of the network begin with '@' in the master's tables; the script has the name without it.
local function script_of(name)
  return (string.gsub(name, "^@", ""))
end

function command.LAUNCH(name, first, ...)
  local script = script_of(check_name(name))
  if script == "snaxd" then
    local snax = require "skynet.snax"  -- not before somebody uses it
    return start_once(name .. "." .. check_name(first), snax.rawnewservice, first, ...)
  end
  return start_once(name, skynet.newservice, script, first, ...)
end

function command.QUERY(name, first)
  if script_of(check_name(name)) == "snaxd" then
    name = name .. "." .. check_name(first)
  end
  if started[name] then return result_of(name) end
  return wait_for(name)
end

local function list_own()
  local list = {}
  for name, result in pairs(started) do
    list[name] = type(result) == "number" and skynet.address(result) or "Error: " .. result
  end
  for name, entry in pairs(pending) do
    local state = entry.starter and "Launching for " .. skynet.address(entry.starter) or "Not launched"
    list[name] = string.format("%s, %d waiting", state, #entry.waiters)
  end
  return list
end

--- The network's services are ours to start.
local function become_master()
  local managers = {}  -- handles of the other nodes' managers

  function command.GLAUNCH(name, ...)
    return command.LAUNCH("@" .. check_name(name), ...)
  end

  function command.GQUERY(name, ...)
    return command.QUERY("@" .. check_name(name), ...)
  end

  function command.REPORT(manager)
    managers[manager] = true
  end

  function command.LIST()
    local list = list_own()
    for manager in pairs(managers) do
      local is_answered, names = pcall(skynet.call, manager, "lua", "LIST")
      for name, text in pairs(is_answered and names or {}) do
        list[name .. "@" .. skynet.harbor(manager)] = text
      end
    end
    return list
  end

  skynet.register "SERVICE"
end

--- The network's services are started by the master; its answers are remembered here.
local function become_member()
  local function ask_master(verb, name, first, ...)
    local entry = "@" .. check_name(name)
    if name == "snaxd" then entry = entry .. "." .. check_name(first) end
    local function ask(...)
      return assert(skynet.call("SERVICE", "lua", verb, ...))
    end
    if verb == "QUERY" and not started[entry] then
      -- Others may ask, too: a query must not keep a launch of the same name waiting.
      return ask("@" .. name, first, ...)
    end
    return start_once(entry, ask, "@" .. name, first, ...)
  end

  function command.GLAUNCH(...) return ask_master("LAUNCH", ...) end

  function command.GQUERY(...) return ask_master("QUERY", ...) end

  function command.LIST() return list_own() end

  skynet.call("SERVICE", "lua", "REPORT", skynet.self())
end

skynet.dispatch("lua", function(session, _, name, ...)
  local run = command[name]
  local answer
  if run then
    answer = table.pack(pcall(run, ...))
  else
    answer = { false, string.format("Invalid command %s", name) }
  end
  if session == 0 then
    if not answer[1] then skynet.error("service_mgr: " .. tostring(answer[2])) end
  elseif answer[1] then
    skynet.retpack(answer[2])
  else
    skynet.retpack(nil, tostring(answer[2]))
  end
end)

skynet.start(function()
  local handle = skynet.localname ".service"
  if handle then
    error(string.format("service_mgr: .service is taken by %s", skynet.address(handle)))
  end
  skynet.register ".service"
  if skynet.getenv "standalone" then
    become_master()
  else
    become_member()
  end
end)
