-- What the functions of a running service know.

--- Calls visit(name, value, f, index) for each upvalue of a function and of the functions among them.
---@param f function
---@param visit fun(name: string, value: any, f: function, index: integer)
---@param seen table<function, true> functions to leave out; those that are visited are added
local function walk(f, visit, seen)
  if seen[f] then return end
  seen[f] = true
  local index = 1
  local name, value = debug.getupvalue(f, index)
  while name do
    if name ~= "" then visit(name, value, f, index) end
    if type(value) == "function" then walk(value, visit, seen) end
    index = index + 1
    name, value = debug.getupvalue(f, index)
  end
end

return walk
