-- The debugger inside a service. Commands come over a debugchannel, output goes to the console's socket:
-- expressions; watch(PROTOCOL [, CONDITION]) stops in the handler of the next such message, and then
-- `s` steps, `n` steps over calls, `c` continues, _CO is the stopped coroutine; `cont` leaves.

local skynet = require "skynet"
local coroutines = require "skynet.coroutine"
local debugchannel = require "skynet.debugchannel"
local socketdriver = require "skynet.socketdriver"
local injectcode = require "skynet.injectcode"

local kPollTicks = 5  -- how long a command may lie in the channel, in cs

local M = {}

local is_attached = false

local function depth()
  local level = 1
  while debug.getinfo(level, "l") do level = level + 1 end
  return level
end

local Debugger = {}
Debugger.__index = Debugger

local function create(fd, channel)
  local self = setmetatable({ fd = fd, channel = channel, watched = {}, needs_prompt = true }, Debugger)
  self.env = {
    print = function(...) self:print(...) end,
    watch = function(...) return self:watch(...) end,
  }
  return self
end

function Debugger:write(text)
  socketdriver.send(self.fd, text)
end

function Debugger:print(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  self:write(table.concat(words, "\t") .. "\n")
end

function Debugger:write_prompt()
  if self.place then
    self:write(string.format("%s(%d)>", self.place.short_src, self.place.currentline))
  else
    self:write(skynet.address(skynet.self()) .. ">")
  end
end

--- Somebody has to look at us: something stopped, or went on.
function Debugger:wake()
  self.needs_prompt = true
  skynet.wakeup(self)
end

--- Called before each line of the watched handler; true stops it there.
function Debugger:on_line()
  local here = depth()
  if self.mode == "next" and here > self.depth then return false end
  self.depth = here
  return true
end

--- Runs the handler of one message in a coroutine of its own, which stops where the user wants it to.
function Debugger:run(handler, ...)
  local thread = coroutines.create(handler)
  self.thread, self.mode = thread, "step"
  debugchannel.sethook(thread, function() return self:on_line() end, "l")
  local results = table.pack(coroutines.resume(thread, ...))
  while coroutines.status(thread) == "suspended" do
    self.place = debug.getinfo(thread, 0, "Sl")
    self:wake()
    skynet.wait(thread)
    results = table.pack(coroutines.resume(thread))
  end
  self.thread, self.place, self.env._CO = nil, nil, nil
  self:wake()
  if not results[1] then
    error(debug.traceback(thread, tostring(results[2])), 0)
  end
  return table.unpack(results, 2, results.n)
end

function Debugger:unwatch(name)
  skynet.dispatch(name, self.watched[name])
  self.watched[name] = nil
end

--- Stops in the handler of the next message of the type for which `condition(session, source, ...)` is true.
function Debugger:watch(name, condition)
  local protocol = require("skyloom.scheduler").protocols()[name]
  if not protocol or not protocol.dispatch or name == "debug" then
    return string.format("No %s", name)
  end
  if self.watched[name] then self:unwatch(name) end
  local handler = protocol.dispatch
  self.watched[name] = handler
  skynet.dispatch(name, function(...)
    local is_wanted = not self.thread
    if is_wanted and condition then
      local is_told
      is_told, is_wanted = pcall(condition, ...)
      if not is_told then
        self:print("watch condition: " .. tostring(is_wanted))
        is_wanted = false
      end
    end
    if not is_wanted then return handler(...) end
    self:unwatch(name)
    return self:run(handler, ...)
  end)
end

--- Lets the stopped handler go on; without a mode to its end.
function Debugger:go_on(mode)
  local thread = self.thread
  self.mode, self.place, self.env._CO = mode, nil, nil
  if not mode then debugchannel.sethook(thread) end
  self.needs_prompt = false
  skynet.wakeup(thread)
end

local modes = { s = "step", n = "next", c = false }

function Debugger:execute(line)
  self.needs_prompt = true
  if line == "" then return end
  if self.place and modes[line] ~= nil then return self:go_on(modes[line]) end
  local thread = self.place and self.thread
  self.env._CO = thread
  local results = table.pack(injectcode(line, thread, thread and 0, self.env))
  if not results[1] then
    self:write(tostring(results[2]) .. "\n")
  elseif results.n > 1 then
    self:print(table.unpack(results, 2, results.n))
  end
end

function Debugger:loop()
  local line
  repeat
    if self.needs_prompt then
      self.needs_prompt = false
      self:write_prompt()
    end
    line = self.channel:read()
    if not line then
      skynet.sleep(kPollTicks, self)
    elseif line ~= "cont" then
      self:execute(line)
    end
  until line == "cont"
end

function Debugger:detach()
  is_attached = false
  for name in pairs(self.watched) do self:unwatch(name) end
  if self.thread then
    self.mode = nil
    debugchannel.sethook(self.thread)
    if self.place then skynet.wakeup(self.thread) end
  end
end

--- Serves the console until it sends `cont`. Raises when another one is attached.
---@param fd integer id of the console's socket
---@param handle userdata the channel, from debugchannel.create()
function M.start(fd, handle)
  if is_attached then error("another debugger is attached", 0) end
  local debugger = create(fd, debugchannel.connect(handle))
  is_attached = true
  local guard <close> = setmetatable({}, { __close = function() debugger:detach() end })
  debugger:loop()
end

return M
