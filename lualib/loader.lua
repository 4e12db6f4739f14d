-- Loads the script of a Lua service. The host runs it with the service's argument string, after it has
-- set the globals LUA_PATH, LUA_CPATH, LUA_SERVICE and LUA_PRELOAD.

local words = {}
for word in string.gmatch(..., "%S+") do
  words[#words + 1] = word
end
SERVICE_NAME = words[1] or error("a Lua service needs a name: snlua NAME [ARGUMENTS]", 0)

local loadfile = require("skynet.codecache").loadfile

--- The script of the service and the directory part of the pattern that led to it.
local function find_script()
  local tried = {}
  for pattern in string.gmatch(LUA_SERVICE or "", "[^;]+") do
    local path = string.gsub(pattern, "%?", function() return SERVICE_NAME end)
    local script, message = loadfile(path)
    if script then
      return script, string.match(pattern, "^(.*/)") or "./"
    end
    tried[#tried + 1] = message
  end
  error(string.format("Can't load service %s:\n%s", SERVICE_NAME, table.concat(tried, "\n")), 0)
end

local script, directory = find_script()
LUA_SERVICE = nil
package.path, LUA_PATH = LUA_PATH, nil
package.cpath, LUA_CPATH = LUA_CPATH, nil

SERVICE_PATH = string.gsub(directory, "%?", function() return SERVICE_NAME end)
if SERVICE_PATH ~= directory then  -- a folder of its own: its modules come first
  package.path = SERVICE_PATH .. "?.lua;" .. package.path
end

if LUA_PRELOAD then
  local preload, message = loadfile(LUA_PRELOAD)
  LUA_PRELOAD = nil
  if not preload then error("Can't load preload script " .. message, 0) end
  preload(table.unpack(words))
end

require = require("skynet.require").require
script(table.unpack(words, 2))
