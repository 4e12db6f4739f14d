-- Replaces functions of a running snax service. New functions share the variables of those they replace,
-- by name.

local walk_upvalues = require "skyloom.upvalues"

local function share(f, known)
  local i = 1
  local name = debug.getupvalue(f, i)
  while name do
    local from = known[name]
    if from then debug.upvaluejoin(f, i, from[1], from[2]) end
    i = i + 1
    name = debug.getupvalue(f, i)
  end
end

--- Applies the patch: returns what its function `hotfix` returns.
---@param functions table[] of the service, as snax.interface returns them
---@param source string defines accept.X, response.X and system functions that the service has, and maybe hotfix
---@param globals table
return function(functions, source, globals, ...)
  local known, seen = {}, {} -- known: name -> {function, index}
  local entries = {}
  for _, entry in ipairs(functions) do
    entries[entry[2] .. "." .. entry[3]] = entry
    if entry[4] then
      walk_upvalues(entry[4], function(name, _, f, index) known[name] = known[name] or { f, index } end, seen)
    end
  end
  local patches = {}
  local function collector(group)
    return setmetatable({}, {
      __newindex = function(_, name, f)
        if type(f) ~= "function" or not entries[group .. "." .. name] then
          error(string.format("the service has no function %s.%s to replace", group, name), 2)
        end
        patches[#patches + 1] = { group .. "." .. name, f }
      end,
    })
  end
  local env = { accept = collector "accept", response = collector "response" }
  local system = collector "system"
  setmetatable(env, {
    __index = globals,
    __newindex = function(_, name, value)
      if entries["system." .. name] then system[name] = value else globals[name] = value end
    end,
  })
  local run, message = load(source, "=hotfix", "t", env)
  if not run then error(message, 0) end
  run()
  local hotfix
  for _, patch in ipairs(patches) do
    share(patch[2], known)
    if patch[1] == "system.hotfix" then hotfix = patch[2] end
  end
  for _, patch in ipairs(patches) do
    entries[patch[1]][4] = patch[2]
  end
  if hotfix then return hotfix(...) end
end
