-- For the service that makes the tables of skynet.datasheet.

local skynet = require "skynet"
local service = require "skynet.service"
local dump = require "skynet.datasheet.dump"
local core = require "skynet.datasheet.core"
local sharedata = require "skynet.sharedata.core"
local shared = require "skyloom.shared"

local builder = {}
local address

local function run_service()
  local skynet = require "skynet"
  local sharedata = require "skynet.sharedata.core"
  local add_waiter = require("skyloom.waiters").add
  local sheets = {}  -- name -> {number = newest version, waiting = those who want a newer one}
  local command = {}
  local LATER = {}   -- what a command returns that answers later

  local function sheet_of(name)
    return sheets[name] or error(string.format("datasheet: there is no %q", tostring(name)), 0)
  end

  function command.update(name, number)
    local sheet = sheets[name]
    if not sheet then
      sheet = { waiting = {} }
      sheets[name] = sheet
    end
    local old, waiting = sheet.number, sheet.waiting
    sheet.number, sheet.waiting = number, {}
    for _, each in ipairs(waiting) do each.response(true, number) end
    if old then pcall(sharedata.delete, old) end  -- fails when somebody else has deleted it
  end

  function command.query(name) return sheet_of(name).number end

  --- Answers at once unless `number` is the newest version.
  function command.monitor(name, number)
    local sheet = sheet_of(name)
    if sheet.number ~= number then return sheet.number end
    add_waiter(sheet.waiting, { response = skynet.response() })
    return LATER
  end

  --- Who reads a version keeps it, and an old one ends here when a newer one comes: there is nothing to give
  --- back, and nothing to collect.
  function command.release() end
  command.collect = command.release

  --- Ends the service. Who reads a table keeps it; its name is gone.
  function command.close()
    for _, sheet in pairs(sheets) do pcall(sharedata.delete, sheet.number) end
    sheets = {}
    skynet.call(skynet.uniqueservice "service_provider", "lua", "close", "datasheet")
    skynet.retpack()
    skynet.exit()
  end

  skynet.start(function()
    skynet.dispatch("lua", function(session, _, name, ...)
      local run = command[name] or error(string.format("datasheet: unknown command %s", tostring(name)), 0)
      local result = run(...)
      if session ~= 0 and result ~= LATER then skynet.retpack(result) end
    end)
  end)
end

skynet.init(function() address = service.new("datasheet", run_service) end)

local function set(name, value)
  local number
  if type(value) == "string" then
    number = core.stringpointer(value)
  else
    number = sharedata.new(shared.copy(value))
  end
  local is_done, err = pcall(skynet.call, address, "lua", "update", name, number)
  if is_done then return end
  sharedata.delete(number)
  error(err, 0)
end

--- Gives the table a name. Raises for what cannot be shared.
---@param name string
---@param value table|string a table, or what compile() made of one
function builder.new(name, value)
  set(name, value)
end

--- Gives the name a new table. Readers see it soon.
---@param name string
---@param value table|string
function builder.update(name, value)
  set(name, value)
end

--- The table as a string, for builder.new() and builder.update() here or elsewhere.
---@param value table
---@return string
function builder.compile(value)
  return dump.dump(value)
end

return builder
