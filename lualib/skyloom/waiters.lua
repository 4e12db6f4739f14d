-- Lists of those who wait for an answer. Who was killed meanwhile is forgotten when the list has doubled since the last
-- look: a waiter costs the same however many there are.

local LOOK_AT_MIN = 16

local M = {}

---@param list {response: function}[] those who were killed leave it, the order stays
---@return integer count of those who are left
function M.forget_dead(list)
  local count = 0
  for i, each in ipairs(list) do
    list[i] = nil
    if each.response "TEST" then
      count = count + 1
      list[count] = each
    end
  end
  return count
end

---@param list table of waiters; `look_at` is its own
---@param waiter {response: function} at its end from now on
function M.add(list, waiter)
  if #list >= (list.look_at or LOOK_AT_MIN) then
    list.look_at = math.max(LOOK_AT_MIN, 2 * M.forget_dead(list))
  end
  list[#list + 1] = waiter
end

return M
