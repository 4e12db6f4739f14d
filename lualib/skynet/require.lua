-- `require` for services: a module may yield while it loads. Each module is loaded once; coroutines that
-- want it meanwhile wait for the one that loads it, and get its error if it fails.

local M = {}

local loaded = package.loaded
local loadings = {}  -- name -> {owner = thread, outer = functions, waiters = list or nil, err, is_done}
local waits = setmetatable({}, { __mode = "k" })  -- thread -> the loading that it waits for
local inits = {}  -- of the service, until it starts
local module_inits = {}  -- thread -> functions of the module that it loads, once the service has started

local function find_loader(name)
  local tried = {}
  for _, searcher in ipairs(package.searchers) do
    local loader, extra = searcher(name)
    if type(loader) == "function" then return loader, extra end
    if type(loader) == "string" then tried[#tried + 1] = "\n\t" .. loader end
  end
  error(string.format("module '%s' not found:%s", name, table.concat(tried)), 3)
end

--- Wakes everybody who waits. Also called when the loading coroutine is killed.
local function finish(loading, err)
  loadings[loading.name] = nil
  loading.is_done, loading.err = true, err
  module_inits[loading.owner] = loading.outer
  for _, thread in ipairs(loading.waiters or {}) do
    loaded.skynet.wakeup(thread)
  end
end

local loading_meta = {
  __close = function(loading, err)
    if loading.is_done then return end
    finish(loading, err or string.format("the load of module '%s' was given up", loading.name))
  end,
}

local function wait_for(loading, thread)
  local owner = loading.owner
  while owner do
    if owner == thread then
      error(string.format("circular dependency: module '%s' needs itself to load", loading.name), 3)
    end
    local next_loading = waits[owner]
    owner = next_loading and next_loading.owner
  end
  loading.waiters = loading.waiters or {}
  table.insert(loading.waiters, thread)
  waits[thread] = loading
  while not loading.is_done do
    loaded.skynet.wait(thread)
  end
  waits[thread] = nil
  if loading.err then error(loading.err, 0) end
end

local function load_module(name, thread)
  local loader, extra = find_loader(name)
  local loading <close> =
    setmetatable({ name = name, owner = thread, outer = module_inits[thread] }, loading_meta)
  loadings[name] = loading
  local functions = inits or {}
  module_inits[thread] = functions
  local result = loader(name, extra)
  if not inits then
    for _, f in ipairs(functions) do f() end
  end
  if result ~= nil then
    loaded[name] = result
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  finish(loading, nil)
  return extra
end

--- The module `name`, loaded if need be. Raises what the module raises, in every coroutine that waits for it.
---@param name string
---@return any module
---@return any|nil extra what the searcher said about it, for the first caller
function M.require(name)
  local module = loaded[name]
  if module ~= nil then return module end
  if type(name) ~= "string" then
    error(string.format("the name of a module is a string, not a %s", type(name)), 2)
  end
  local thread = coroutine.running()
  local loading = loadings[name]
  if not loading then
    local extra = load_module(name, thread)
    return loaded[name], extra
  end
  wait_for(loading, thread)
  return loaded[name]
end

--- Runs f before the service starts; in a module that is loaded later, when the module is complete.
---@param f fun()
function M.init(f)
  if type(f) ~= "function" then
    error(string.format("init needs a function, not a %s", type(f)), 2)
  end
  local functions = inits or module_inits[coroutine.running()]
  if not functions then return f() end
  functions[#functions + 1] = f
end

--- Runs what was given to init() so far. Called once, when the service starts.
function M.init_all()
  local functions = inits or {}
  inits = nil
  for _, f in ipairs(functions) do f() end
end

return M
