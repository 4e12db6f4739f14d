-- Runs one snax file as a service.

local skynet = require "skynet"
local profile = require "skynet.profile"
local snax = require "skynet.snax"
local load_interface = require "snax.interface"

local name = ... or error("snaxd needs the name of a snax service", 0)
local loader_path = skynet.getenv "snax_loader"

SERVICE_NAME = name
local functions, pattern = load_interface(name, _ENV, loader_path and assert(dofile(loader_path)))
local directory = string.match(pattern or "", "^(.*/)") or "./"
SERVICE_PATH = string.gsub(directory, "%?", function() return name end)
if SERVICE_PATH ~= directory then
  package.path = SERVICE_PATH .. "?.lua;" .. package.path
end

local is_running = false
local figures = {}  -- name -> {count, time}

local function run_timed(entry, ...)
  local figure = figures[entry[3]] or { count = 0, time = 0 }
  figures[entry[3]] = figure
  profile.start()
  local results = table.pack(xpcall(entry[4], debug.traceback, ...))
  figure.time = figure.time + profile.stop()
  figure.count = figure.count + 1
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

local system = {}

function system.init(f, ...)
  if is_running then error(string.format("snax service %s is running", name), 0) end
  local is_done, err = not f, nil
  if f then is_done, err = xpcall(f, debug.traceback, ...) end
  if not is_done then
    skynet.fork(skynet.exit) -- whoever starts it has no handle to end it with
    error(err, 0)
  end
  is_running = true
  skynet.info_func(function() return figures end)
  skynet.ret()
end

function system.exit(f, ...)
  if f then f(...) end
  is_running = false
  skynet.ret()
  skynet.exit()
end

function system.hotfix(_, source, ...)
  local hotfix = require "snax.hotfix"
  skynet.retpack(hotfix(functions, source, _ENV, ...))
end

function system.profile()
  skynet.retpack(figures)
end

local function dispatch(session, _, number, ...)
  local entry = functions[number]
    or error(string.format("snax service %s has no function %s", name, number), 0)
  if entry[2] == "system" then return system[entry[3]](entry[4], ...) end
  if not is_running then error(string.format("snax service %s is not initialised", name), 0) end
  if entry[2] == "response" then
    skynet.retpack(run_timed(entry, ...))
  else
    run_timed(entry, ...)
    if session ~= 0 then skynet.ret() end
  end
end

skynet.dispatch("snax", dispatch)

--- In a snax service: from now on services of other nodes may call it (cluster.snax); their calls come as PTYPE_LUA.
function snax.enablecluster()
  skynet.dispatch("lua", dispatch)
end

skynet.start(function() end)
