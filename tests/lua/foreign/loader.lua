-- A loader that is not ours: what snlua promises to one is all that it knows.
local words = {}
for word in (...):gmatch "%S+" do words[#words + 1] = word end
SERVICE_NAME = words[1]

local reasons = {}
local function find()
  for pattern in LUA_SERVICE:gmatch "[^;]+" do
    local script, reason = loadfile((pattern:gsub("?", SERVICE_NAME)))
    if script then return script end
    reasons[#reasons + 1] = reason
  end
  error(table.concat(reasons, "\n"))
end

local script = find()
package.path, package.cpath = LUA_PATH, LUA_CPATH
script(table.unpack(words, 2))
