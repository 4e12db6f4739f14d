-- The tables of skynet.sharedata: name -> newest version. An old version ends when nobody refers to it (contract 4.8).

local skynet = require "skynet"
local host = require "skynet.sharedata.corelib".host

local COLLECT_CS, COLLECT_SOON_CS = 60000, 6000

local pool = {}      -- name -> {number = version, waiting = responses of those who want a newer one}
local versions = {}  -- number -> true, of all versions that are not deleted
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

local function collect()
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
  for _, response in ipairs(waiting) do
    if newer then host.incref(newer) end
    if not response(true, newer) and newer then host.decref(newer) end
  end
  collect_soon()
end

function command.new(name, value, ...)
  if pool[name] then error(string.format("sharedata: %q is there already", tostring(name)), 0) end
  pool[name] = { number = make_version(name, value, ...), waiting = {} }
end

function command.update(name, value, ...)
  local entry = pool[name]
  if not entry then return command.new(name, value, ...) end
  retire(entry, make_version(name, value, ...))
end

function command.delete(name)
  local entry = entry_of(name)
  pool[name] = nil
  retire(entry, nil)
end

function command.query(name)
  local number = entry_of(name).number
  host.incref(number)
  return number
end

function command.confirm(number)
  if versions[number] then host.decref(number) end
end

--- Answers at once unless `number` is the newest version.
function command.monitor(name, number)
  local entry = pool[name]
  if not entry then return nil end
  if entry.number ~= number then return command.query(name) end
  local waiting = {}
  for _, response in ipairs(entry.waiting) do
    if response "TEST" then waiting[#waiting + 1] = response end
  end
  waiting[#waiting + 1] = skynet.response()
  entry.waiting = waiting
  return LATER
end

local function collect_for_ever()
  skynet.timeout(COLLECT_CS, collect_for_ever)
  collect()
end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    local run = command[name] or error(string.format("sharedata: unknown command %s", tostring(name)), 0)
    local result = run(...)
    if session ~= 0 and result ~= LATER then skynet.retpack(result) end
  end)
  skynet.timeout(COLLECT_CS, collect_for_ever)
end)
