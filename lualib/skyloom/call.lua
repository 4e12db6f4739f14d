--- Calls with a deadline. skynet.call() waits for as long as the other service lives.
local skynet = require "skynet"

local call = {}

--- As skynet.call(), but gives up: raises "call to ADDRESS: no answer within N cs" when the time is over. The request is
--- not taken back; its late answer is dropped. All other errors are those of skynet.call().
---@param cs integer 1/100 s, more than 0
---@param address integer|string
---@param type string the name of a protocol
---@param ... any
---@return any ... the answer
function call.within(cs, address, type, ...)
  assert(math.type(cs) and cs > 0, "a deadline is a number of 1/100 s above 0")
  local token, result = {}, nil
  local thread = skynet.fork(function(...)
    result = table.pack(pcall(skynet.call, address, type, ...))
    skynet.wakeup(token)
  end, ...)
  skynet.sleep(cs, token)
  if not result then
    skynet.killthread(thread)
    error(("call to %s: no answer within %d cs"):format(skynet.address(address), cs), 2)
  end
  if not result[1] then
    error(result[2], 0)
  end
  return table.unpack(result, 2, result.n)
end

return call
