-- Runs code at a place where a coroutine has stopped: it reads and sets the locals and upvalues there.

--- Where the name lives: a function that gives its value, and one that sets it. Nil: nowhere.
local function find_variable(thread, level, name)
  local found
  local i = 1
  local local_name = debug.getlocal(thread, level, i)
  while local_name do
    if local_name == name then found = i end  -- the innermost block is the last
    i = i + 1
    local_name = debug.getlocal(thread, level, i)
  end
  if found then
    return function() return select(2, debug.getlocal(thread, level, found)) end,
      function(value) debug.setlocal(thread, level, found, value) end
  end
  local f = debug.getinfo(thread, level, "f").func
  i = 1
  local upvalue_name = debug.getupvalue(f, i)
  while upvalue_name do
    if upvalue_name == name then
      return function() return select(2, debug.getupvalue(f, i)) end,
        function(value) debug.setupvalue(f, i, value) end
    end
    i = i + 1
    upvalue_name = debug.getupvalue(f, i)
  end
end

local function varargs(thread, level)
  local values, n = {}, 0
  local name, value = debug.getlocal(thread, level, -1)
  while name do
    n = n + 1
    values[n] = value
    name, value = debug.getlocal(thread, level, -n - 1)
  end
  return table.unpack(values, 1, n)
end

--- Runs an expression or statements as if they stood at the level. Names that are neither local nor
--- upvalue there are looked up in `env`, then among the function's globals.
---@param source string
---@param thread thread|nil it must be suspended; nil: only `env` and the globals
---@param level integer|nil 0: the function that stopped
---@param env table
---@return boolean is_done
---@return any ... results, or the error
return function(source, thread, level, env)
  local function globals()
    local get = thread and find_variable(thread, level, "_ENV")
    return get and get() or _G
  end
  local scope = setmetatable({}, {
    __index = function(_, name)
      local get
      if thread then get = find_variable(thread, level, name) end
      if get then return get() end
      local value = env[name]
      if value == nil then value = globals()[name] end
      return value
    end,
    __newindex = function(_, name, value)
      local _, set
      if thread then _, set = find_variable(thread, level, name) end
      if set then set(value) else globals()[name] = value end
    end,
  })
  local run = load("return " .. source, "=(debug)", "t", scope)
  local message
  if not run then
    run, message = load(source, "=(debug)", "t", scope)
    if not run then return false, message end
  end
  if thread then return pcall(run, varargs(thread, level)) end
  return pcall(run)
end
