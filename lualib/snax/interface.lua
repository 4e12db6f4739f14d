-- What a snax file defines: its functions with their numbers, in order of definition.

local skynet = require "skynet"

local kSystem = { "init", "exit", "hotfix", "profile" }  -- these have the first numbers

--- Finds and loads the file along the search list of the key `snax`.
local function load_file(paths, name, env)
  local tried = {}
  for pattern in string.gmatch(paths, "[^;]+") do
    local filename = string.gsub(pattern, "%?", function() return name end)
    local file, message = loadfile(filename, "t", env)
    if file then return file, pattern end
    tried[#tried + 1] = message
  end
  error(string.format("Can't load snax service %s:\n%s", name, table.concat(tried, "\n")), 0)
end

--- Runs the file of the snax service `name`.
---@param name string
---@param globals table what the file's code finds as globals
---@param loader? fun(paths: string, name: string, env: table): function, string in place of our own
---@return table[] functions number -> {number, group, name, function or nil}; groups: system, accept, response
---@return string pattern of the search list that led to the file
return function(name, globals, loader)
  local paths = skynet.getenv "snax"
    or error("the configuration has no key snax: where snax services are, as in ./service/?.lua", 0)
  local functions = {}
  local numbers = {}  -- group -> name -> number

  local function add(group, key, f)
    if type(key) ~= "string" or type(f) ~= "function" then
      error(string.format("%s.%s of snax service %s is no function with a name", group, key, name), 3)
    end
    if numbers[group][key] then
      error(string.format("%s.%s of snax service %s is defined twice", group, key, name), 3)
    end
    local number = #functions + 1
    numbers[group][key] = number
    functions[number] = { number, group, key, f }
  end

  local function group_of(group)
    numbers[group] = {}
    return setmetatable({}, {
      __newindex = function(_, key, f) add(group, key, f) end,
      __index = function(_, key)
        local number = numbers[group][key]
        return number and functions[number][4]
      end,
    })
  end

  local system = {}
  for number, key in ipairs(kSystem) do
    functions[number] = { number, "system", key }
    system[key] = functions[number]
  end

  local env = { accept = group_of "accept", response = group_of "response" }
  local run, pattern = (loader or load_file)(paths, name, setmetatable({}, {
    __index = function(_, key)
      if env[key] ~= nil then return env[key] end
      if system[key] and system[key][4] then return system[key][4] end
      return globals[key]
    end,
    __newindex = function(_, key, value)
      if system[key] and type(value) == "function" then
        system[key][4] = value
      else
        globals[key] = value
      end
    end,
  }))
  run()
  return functions, pattern
end
