-- Runs code that comes from a console inside the service, with what the service's functions know.

local skynet = require "skynet"
local walk_upvalues = require "skyloom.upvalues"

--- Adds what the function knows to `found` by name. Of two with one name a table wins: that is where services keep what
--- they know.
local function add_upvalues(found, f, seen)
  walk_upvalues(f, function(name, value)
    if found[name] == nil or (type(value) == "table" and type(found[name]) ~= "table") then found[name] = value end
  end, seen)
end

--- What the handler of each message type knows, by the name of the type.
local function upvalues_of_protocols(protocols)
  local all = {}
  for name, protocol in pairs(protocols) do
    if type(name) == "string" and protocol.dispatch then
      all[name] = {}
      add_upvalues(all[name], protocol.dispatch, {})
    end
  end
  return all
end

--- Runs `source`. It sees _U (what the library's functions know), _P (what the handler of each message
--- type knows) and a `print` that is captured.
---@param source string
---@param filename string|nil for messages
---@param ... any arguments of the code
---@return boolean is_done
---@return string[] output lines; the error is the last one
return function(source, filename, ...)
  local output = {}
  local function print(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    output[#output + 1] = table.concat(words, "\t")
  end

  local protocols = require("skyloom.scheduler").protocols()
  local known = { proto = protocols }
  local seen = {}
  add_upvalues(known, skynet.register_protocol, seen)
  add_upvalues(known, skynet.dispatch_message, seen)

  local env = setmetatable(
    { print = print, _U = known, _P = upvalues_of_protocols(protocols) }, { __index = _ENV })
  local run, message = load(source, filename and "@" .. filename or "=(load)", "t", env)
  if not run then return false, { message } end
  local is_done, err = xpcall(run, debug.traceback, ...)
  if not is_done then output[#output + 1] = tostring(err) end
  return is_done, output
end
