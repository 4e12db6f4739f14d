-- Does wrong what it is told to do wrong. It may have 16 MiB.
local skynet = require "skynet"
local co = require "skynet.coroutine"

skynet.memlimit(16 << 20)

local command = {}

function command.echo(...) skynet.retpack(...) end

function command.raise_table() error {} end

function command.raise_nil() error(nil) end

function command.raise_long() error(string.rep("long ", 200)) end

function command.raise_untellable()
  error(setmetatable({}, { __tostring = function() error "no text" end }))
end

function command.recurse()
  local function again() return 1 + again() end
  again()
end

function command.recurse_protected()
  local function again() return pcall(again) end
  again()
  error "came back"
end

function command.recurse_in_metamethods()
  local t = setmetatable({}, { __index = function(t, k) return t[k .. "x"] end })
  return t.x
end

function command.yield_to_nobody() coroutine.yield() end

function command.wait_in_sort()
  table.sort({ 3, 2, 1 }, function() skynet.sleep(1) end)
end

function command.close_badly()
  local first <close> = setmetatable({}, { __close = function() error "first" end })
  local second <close> = setmetatable({}, { __close = function() skynet.sleep(1) end })
  error "before"
end

function command.eat_tables()
  local all = {}
  while true do all[#all + 1] = { {}, {} } end
end

function command.eat_string()
  local s = "all of it"
  while true do s = s .. s end
end

function command.eat_strings()
  local all = {}
  for i = 1, math.huge do all[i] = string.rep("x", 1000) .. i end
end

-- A request that finds no memory for its coroutine.
function command.call_when_full()
  local all
  for _, size in ipairs { 1 << 16, 1 << 10, 0 } do
    pcall(function() while true do all = { all, string.rep("x", size) } end end)
  end
  local is_answered = pcall(skynet.call, skynet.self(), "lua", "echo")
  all = nil
  skynet.retpack(is_answered)
end

-- As strings, they would be within the limit: they are packed outside of Lua.
function command.eat_packed()
  local all = { __pairs = function() return function() return 1, "what is packed again and again" end end }
  skynet.pack(setmetatable({}, all))
end

function command.eat_packed_string()
  local all = {}
  for i = 1, 16 do all[i] = string.rep("x", 1 << 20) end
  for i = 17, 64 do all[i] = all[1] end
  skynet.pack(all)
end

-- Keeps all memory, down to the last small block, and the request.
function command.keep_all()
  local answer = skynet.response()
  kept = { answer }
  for _, size in ipairs { 1 << 16, 1 << 10, 1, 0 } do
    pcall(function() while true do kept = { kept, size > 1 and string.rep("x", size) } end end)
  end
  skynet.send(".launcher", "lua", "KILL", skynet.self())
end

function command.eat_coroutines()
  local all = {}
  while true do all[#all + 1] = coroutine.create(print) end
end

-- Each with a token of its own. Without these there would be so many that starting them, each with a full collection,
-- takes longer than a test may.
function command.eat_forks()
  for i = 1, math.huge do skynet.fork(skynet.wait, string.rep("x", 4000) .. i) end
end

function command.raise_everywhere()
  skynet.fork(error, "in a fork")
  skynet.timeout(0, function() error "in a timer" end)
  skynet.sleep(1)
  skynet.retpack(true)
end

-- The table is for race detectors, which deliver signals when memory is taken.
function command.loop()
  while true do local _ = {} end
end

function command.loop_protected()
  while true do pcall(command.loop) end
end

function command.loop_in_coroutine()
  coroutine.wrap(command.loop)()
end

function command.loop_in_skynet_coroutine()
  co.wrap(command.loop)()
end

function command.loop_in_closing()
  local endless <close> = setmetatable({}, { __close = command.loop })
  error "now close"
end

function command.wait() skynet.wait() end

function command.sleep(cs) skynet.sleep(cs) end

-- Resumes or closes coroutines that are the scheduler's, before, while and after they wait.
local function never() skynet.call(skynet.self(), "lua", "wait") end
local steals = {}

function steals.before_its_start()
  local ran = 0
  coroutine.resume(skynet.fork(function() ran = ran + 1 end))
  coroutine.resume(skynet.timeout(1, function() ran = ran + 1 end), "argument")
  coroutine.close(skynet.fork(print, "never printed"))
  coroutine.close(skynet.timeout(1, print))
  coroutine.resume(skynet.fork(coroutine.yield))
  co.resume(skynet.fork(function() skynet.sleep(0) ran = ran + 1 end))
  collectgarbage()
  skynet.sleep(2)
  return ran
end

function steals.while_it_waits()
  local block = io.stdout -- a pointer that is no message's
  local caller, other_caller = skynet.fork(never), skynet.fork(never)
  local sleeper, waiter = skynet.fork(skynet.sleep, 1), skynet.fork(skynet.wait, "token")
  local nested = co.create(skynet.sleep)
  skynet.fork(co.resume, nested, 1)
  skynet.yield()
  local results = {}
  for _, thread in ipairs { caller, sleeper, nested } do results[#results + 1] = coroutine.resume(thread, 0, block, 1 << 30) end
  results[#results + 1] = co.resume(other_caller, 0, block, 1 << 30)
  coroutine.close(waiter)
  skynet.wakeup "token"
  skynet.fork(function() collectgarbage() end)
  skynet.sleep(2)
  return table.unpack(results)
end

function steals.and_kills_it()
  local function kill_itself() skynet.killthread(coroutine.running()) end
  local sleeper = skynet.fork(function() skynet.sleep(1000) kill_itself() end)
  skynet.yield()
  return coroutine.resume(skynet.fork(kill_itself)), coroutine.resume(sleeper)
end

function steals.and_runs_the_queues()
  return coroutine.resume(skynet.fork(function() skynet.dispatch_message(skynet.PTYPE_ERROR, nil, 0, 0, 1) end))
end

function steals.itself()
  local me = coroutine.running()
  skynet.fork(function() coroutine.close(me) end)
  skynet.sleep(2)
end

function steals.and_exits()
  coroutine.resume(skynet.fork(skynet.exit))
end

function command.steal(how) skynet.retpack(steals[how]()) end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...) command[name](...) end)
end)
