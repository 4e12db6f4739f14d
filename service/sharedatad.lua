-- The tables of skynet.sharedata: name -> newest version. An old version ends when nobody refers to it (contract 4.8).

local skynet = require "skynet"
local host = require "skynet.sharedata.corelib".host
local is_alive = require "skyloom.scheduler".is_alive
local add_waiter = require("skyloom.waiters").add

local COLLECT_CS, COLLECT_SOON_CS = 60000, 6000

local pool = {}      -- name -> {number = version, waiting = {service, response} of those who want a newer one}
local versions = {}  -- number -> true, of all versions that are not deleted
local handed = {}    -- service -> number -> references that it was given and has not confirmed
local command = {}
local LATER = {}     -- what a command returns that answers later

local function entry_of(name)
  return pool[name] or error(string.format("sharedata: there is no %q", tostring(name)), 0)
end

--- What the source sets as globals, or the table that it gives back.
local function run_source(name, source, ...)
  local globals = setmetatable({}, { __index = _ENV })
  local chunk, err
  if string.sub(source, 1, 1) == "@" then
    chunk, err = loadfile(string.sub(source, 2), "t", globals)
  else
    chunk, err = load(source, "=" .. name, "t", globals)
  end
  if not chunk then error(err, 0) end
  local result = chunk(...)
  return type(result) == "table" and result or setmetatable(globals, nil)
end

--- A version of the value: a number already when its sender built it.
local function make_version(name, value, ...)
  if type(name) ~= "string" then error("sharedata: a name is a string, not a " .. type(name), 0) end
  local kind = type(value)
  local number
  if kind == "userdata" then
    number = value
  elseif kind == "string" then
    number = host.new(run_source(name, value, ...))
  elseif kind == "table" or kind == "nil" then
    number = host.new(value or {})
  else
    error(string.format("sharedata: %q cannot be a %s", name, kind), 0)
  end
  host.incref(number)
  versions[number] = true
  return number
end

--- The number, with a reference for that service until it confirms.
local function hand(service, number)
  host.incref(number)
  local numbers = handed[service] or {}
  handed[service] = numbers
  numbers[number] = (numbers[number] or 0) + 1
  return number
end

local function take_back(service, number)
  local numbers = handed[service]
  local count = numbers and numbers[number]
  if not count then return end
  numbers[number] = count > 1 and count - 1 or nil
  if not next(numbers) then handed[service] = nil end
  pcall(host.decref, number)  -- fails when somebody else has deleted it
end

--- What ended before it could confirm never will.
local function take_back_from_dead()
  for service, numbers in pairs(handed) do
    if not is_alive(service) then
      for number, count in pairs(numbers) do
        for _ = 1, count do take_back(service, number) end
      end
    end
  end
end

local function collect()
  take_back_from_dead()
  collectgarbage()
  for number in pairs(versions) do
    local is_there, references = pcall(host.getref, number)
    if not is_there then
      versions[number] = nil  -- somebody else has deleted it
    elseif references <= 0 then
      versions[number] = nil
      host.delete(number)
    end
  end
end

local is_collecting_soon = false
local function collect_soon()
  if is_collecting_soon then return end
  is_collecting_soon = true
  skynet.timeout(COLLECT_SOON_CS, function()
    is_collecting_soon = false
    collect()
  end)
end

--- The entry's version is old now; `newer` is nil when there is none.
local function retire(entry, newer)
  local old, waiting = entry.number, entry.waiting
  entry.number, entry.waiting = newer, {}
  pcall(host.markdirty, old)  -- fails when somebody else has deleted it
  pcall(host.decref, old)
  for _, each in ipairs(waiting) do
    if newer then hand(each.service, newer) end
    if not each.response(true, newer) and newer then take_back(each.service, newer) end
  end
  collect_soon()
end

function command.new(_, name, value, ...)
  if pool[name] then error(string.format("sharedata: %q is there already", tostring(name)), 0) end
  pool[name] = { number = make_version(name, value, ...), waiting = {} }
end

function command.update(source, name, value, ...)
  local entry = pool[name]
  if not entry then return command.new(source, name, value, ...) end
  retire(entry, make_version(name, value, ...))
end

function command.delete(_, name)
  local entry = entry_of(name)
  pool[name] = nil
  retire(entry, nil)
end

function command.query(source, name)
  return hand(source, entry_of(name).number)
end

function command.confirm(source, number)
  take_back(source, number)
end

--- Answers at once unless `number` is the newest version.
function command.monitor(source, name, number)
  local entry = pool[name]
  if not entry then return nil end
  if entry.number ~= number then return command.query(source, name) end
  add_waiter(entry.waiting, { service = source, response = skynet.response() })
  return LATER
end

local function collect_for_ever()
  skynet.timeout(COLLECT_CS, collect_for_ever)
  collect()
end

skynet.start(function()
  skynet.dispatch("lua", function(session, source, name, ...)
    local run = command[name] or error(string.format("sharedata: unknown command %s", tostring(name)), 0)
    local result = run(source, ...)
    if session ~= 0 and result ~= LATER then skynet.retpack(result) end
  end)
  skynet.timeout(COLLECT_CS, collect_for_ever)
end)
