-- For scripts that test from inside a node: each test logs `ok NAME`, or `FAILED NAME: why`.

local skynet = require "skynet"

local check = {}

function check.test(name, f)
  local is_done, err = xpcall(f, debug.traceback)
  skynet.error(is_done and "ok " .. name or string.format("FAILED %s: %s", name, err))
end

local function text_of(value, depth)
  if type(value) == "string" then return string.format("%q", value) end
  if type(value) ~= "table" or depth > 4 then return tostring(value) end
  local parts = {}
  for key, part in pairs(value) do
    parts[#parts + 1] = string.format("[%s]=%s", text_of(key, depth + 1), text_of(part, depth + 1))
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

function check.equal(found, wanted)
  local a, b = text_of(found, 0), text_of(wanted, 0)
  if a ~= b then error(string.format("%s instead of %s", a, b), 2) end
end

function check.matches(text, pattern)
  if type(text) ~= "string" or not string.find(text, pattern) then
    error(string.format("%s does not match %q", text_of(text, 0), pattern), 2)
  end
end

function check.raises(pattern, f, ...)
  local is_done, err = pcall(f, ...)
  if is_done then error("no error was raised", 2) end
  if not string.find(tostring(err), pattern) then
    error(string.format("%q does not match %q", tostring(err), pattern), 2)
  end
end

--- Waits for what only time or another service brings.
function check.wait_until(condition)
  for _ = 1, 6000 do
    if condition() then return end
    skynet.sleep(1)
  end
  error("not so after a minute", 2)
end

--- Whether the node has a socket of this number, in whatever state.
function check.has_socket(id)
  for _, one in ipairs(require("skynet.socket").netstat()) do
    if one.id == id then return true end
  end
  return false
end

--- Calls f meanwhile: a function that waits for what pcall(f, ...) gave, packed.
function check.in_background(f, ...)
  local token = {}
  local results
  skynet.fork(function(...)
    results = table.pack(pcall(f, ...))
    skynet.wakeup(token)
  end, ...)
  return function()
    if not results then skynet.wait(token) end
    return results
  end
end

--- Calls f(1) to f(n) at once: a function that waits for what all of them gave, as in_background() has it.
function check.in_parallel(n, f)
  local awaits = {}
  for i = 1, n do awaits[i] = check.in_background(f, i) end
  return function()
    local results = {}
    for i = 1, n do results[i] = awaits[i]() end
    return results
  end
end

function check.done()
  skynet.error(string.format("tests of %s are done", SERVICE_NAME))
end

return check
