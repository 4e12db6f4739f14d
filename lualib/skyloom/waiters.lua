-- Lists of those who wait for an answer. Who was killed meanwhile is forgotten when the list has doubled since the last
-- look: a waiter costs the same however many there are.

local LOOK_AT_MIN = 16

---@param list table of waiters; `look_at` is its own
---@param waiter {response: function} at its end from now on
return function(list, waiter)
  if #list >= (list.look_at or LOOK_AT_MIN) then
    local count = 0
    for i, each in ipairs(list) do
      list[i] = nil
      if each.response "TEST" then
        count = count + 1
        list[count] = each
      end
    end
    list.look_at = math.max(LOOK_AT_MIN, 2 * count)
  end
  list[#list + 1] = waiter
end
