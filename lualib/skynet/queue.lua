-- Critical sections: functions that wait run one at a time, in the order of their calls.
local skynet = require "skynet"
local running, status = coroutine.running, coroutine.status

---Makes a queue: `cs(f, ...)` calls f when those before it have ended, and returns what it returns.
---The coroutine that is inside may enter again. An error of f leaves the queue, too.
---@return fun(f: function, ...): ...
return function()
  local owner, depth = nil, 0
  local waiting, first, last = {}, 1, 0

  local guard = setmetatable({}, {
    __close = function()
      depth = depth - 1
      if depth > 0 then return end
      owner = nil
      while first <= last and not owner do
        local next_owner = waiting[first]
        waiting[first] = nil
        first = first + 1
        if status(next_owner) ~= "dead" then -- killed while it waited
          owner = next_owner
          skynet.wakeup(owner)
        end
      end
    end,
  })

  return function(f, ...)
    local caller = running()
    if owner and owner ~= caller then
      last = last + 1
      waiting[last] = caller
      repeat
        skynet.wait(caller)
      until owner == caller
    end
    owner, depth = caller, depth + 1
    local leave <close> = guard
    return f(...)
  end
end
