-- `DATACENTER`: a tree of values for all services. A path is a list of keys; a table is a branch.

local skynet = require "skynet"
local forget_dead = require("skyloom.waiters").forget_dead

local LOOK_AT_MIN = 64

local root = {}
local waiters = {}  -- first key -> list of {path = keys, response = function}
local waiter_count, look_at = 0, LOOK_AT_MIN
local command = {}

local function value_at(path, depth)
  local value = root
  for i = 1, depth do
    if type(value) ~= "table" then return nil end
    value = value[path[i]]
  end
  return value
end

local function check_path(path, depth)
  if depth < 1 then error("datacenter: a path needs a key", 0) end
  for i = 1, depth do
    local key = path[i]
    if key == nil or key ~= key then
      error(string.format("datacenter: key %d of the path is %s", i, key), 0)
    end
  end
end

local function is_inside(path, outer, depth)
  for i = 1, depth do
    if path[i] ~= outer[i] then return false end
  end
  return true
end

--- Serves those who wait for the path, for something inside its new value, or for what is now a branch
--- above it: these fail.
local function wake(path, depth)
  local list = waiters[path[1]]
  if not list then return end
  local left = {}
  for _, waiter in ipairs(list) do
    local wanted = waiter.path
    local value = value_at(wanted, wanted.n)
    if value == nil then
      left[#left + 1] = waiter
    elseif wanted.n < depth and is_inside(wanted, path, wanted.n) then
      waiter.response(false)
    else
      waiter.response(true, value)
    end
  end
  waiter_count = waiter_count - #list + #left
  waiters[path[1]] = next(left) and left or nil
end

--- Who was killed while it waited is forgotten, each time that there are twice as many as at the last look.
local function look_for_dead()
  if waiter_count < look_at then return end
  waiter_count = 0
  for key, list in pairs(waiters) do
    local count = forget_dead(list)
    waiter_count = waiter_count + count
    if count == 0 then waiters[key] = nil end
  end
  look_at = math.max(LOOK_AT_MIN, 2 * waiter_count)
end

function command.QUERY(...)
  local path = table.pack(...)
  skynet.retpack(value_at(path, path.n))
end

function command.UPDATE(...)
  local path = table.pack(...)
  local depth = path.n - 1
  check_path(path, depth)
  local branch = root
  for i = 1, depth - 1 do
    local inner = branch[path[i]]
    if inner == nil then
      inner = {}
      branch[path[i]] = inner
    elseif type(inner) ~= "table" then
      error(string.format("datacenter: key %d of the path, %s, has a value: it is no branch", i, path[i]), 0)
    end
    branch = inner
  end
  local value, old = path[path.n], branch[path[depth]]
  branch[path[depth]] = value
  skynet.retpack(old)
  if old == nil and value ~= nil then wake(path, depth) end
end

function command.WAIT(...)
  local path = table.pack(...)
  check_path(path, path.n)
  local value = value_at(path, path.n)
  if value ~= nil then return skynet.retpack(value) end
  look_for_dead()
  local list = waiters[path[1]] or {}
  waiters[path[1]] = list
  waiter_count = waiter_count + 1
  list[#list + 1] = { path = path, response = skynet.response() }
end

skynet.dispatch("lua", function(_, _, name, ...)
  local run = command[name] or error(string.format("datacenter: unknown command %s", name))
  run(...)
end)

skynet.start(function() end)
