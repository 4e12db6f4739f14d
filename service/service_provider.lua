-- Knows the services that skynet.service has started: one per name (contract 4.7).
local skynet = require "skynet"

---@class service_provider.entry
---@field handle integer?
---@field is_starting boolean?
---@field waiting function[] responses to those who ask for it meanwhile
local services = {} ---@type table<string, service_provider.entry>
local command = {}

local function entry_of(name)
  local entry = services[name]
  if not entry then
    entry = { waiting = {} }
    services[name] = entry
  end
  return entry
end

local function answer_all(entry, ok, handle)
  local waiting = entry.waiting
  entry.waiting = {}
  for _, respond in ipairs(waiting) do respond(ok, handle) end
end

local function start(name, code, ...)
  local handle = skynet.newservice("service_cell", name)
  local ok, failure = pcall(skynet.call, handle, "lua", "init", code, ...)
  if ok then return handle end
  require("skynet.manager").kill(handle)
  error(failure, 0)
end

function command.query(name)
  local entry = entry_of(name)
  if entry.handle then return skynet.retpack(entry.handle) end
  table.insert(entry.waiting, skynet.response())
end

function command.launch(name, code, ...)
  local entry = entry_of(name)
  if entry.handle or entry.is_starting then return command.query(name) end
  entry.is_starting = true
  local ok, handle = pcall(start, name, code, ...)
  entry.is_starting = nil
  if not ok then
    answer_all(entry, false)
    error(("service %s did not start: %s"):format(name, handle), 0)
  end
  entry.handle = handle
  skynet.retpack(handle)
  answer_all(entry, true, handle)
end

function command.test(name)
  local entry = services[name]
  if entry and entry.handle then
    skynet.retpack(entry.handle)
  elseif entry and entry.is_starting then
    skynet.retpack(nil, true)
  else
    skynet.retpack(nil)
  end
end

function command.close(name)
  local entry = services[name]
  if not (entry and entry.handle) then return skynet.retpack(nil) end
  services[name] = nil
  skynet.retpack(entry.handle)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    local f = command[name]
    if not f then error(("service_provider: unknown command %s"):format(tostring(name))) end
    f(...)
  end)
  skynet.info_func(function()
    local list = {}
    for name, entry in pairs(services) do
      list[name] = entry.handle and skynet.address(entry.handle) or (entry.is_starting and "starting" or "awaited")
    end
    return list
  end)
end)
