-- `require` in services.
local skynet = require "skynet"
local loader = require "skynet.require"
local check = require "check"
local test = check.test

local order = {}
skynet.init(function() order[#order + 1] = "init" end)

--- Results of `n` coroutines that run f at the same time.
local function together(n, f)
  local results, left = {}, n
  local token = {}
  for i = 1, n do
    skynet.fork(function()
      results[i] = table.pack(pcall(f, i))
      left = left - 1
      if left == 0 then skynet.wakeup(token) end
    end)
  end
  while left > 0 do skynet.wait(token) end
  return results
end

skynet.start(function()
  order[#order + 1] = "start"
  test("init functions of the script run before its start function", function()
    check.equal(order, { "init", "start" })
  end)
  test("a module that yields is loaded once for all who want it", function()
    local results = together(10, function() return require "slow.module" end)
    for i = 1, 10 do
      check.equal(results[i][1], true)
      check.equal(results[i][2] == results[1][2], true)
    end
    check.equal(results[1][2], { loads = 1, name = "slow.module" })
    check.equal(require "slow.module" == results[1][2], true)
    check.equal(SLOW_LOADS, 1)
  end)
  test("init functions of a module that is loaded later run when it is complete", function()
    check.equal(SLOW_INITS, 1)
  end)
  test("the error of a module reaches everybody who waits for it", function()
    local results = together(5, function() return require "slow.broken" end)
    for i = 1, 5 do
      check.equal(results[i], { false, { "a module that breaks" }, n = 2 })
    end
    check.equal(package.loaded["slow.broken"], nil)
  end)
  test("modules that need each other are an error and no deadlock", function()
    local results = together(2, function(i) return require(i == 1 and "slow.first" or "slow.second") end)
    check.equal(results[1][1] or results[2][1], false)
    check.matches(tostring(results[1][2]), "circular dependency")
  end)
  test("a module that needs itself is an error", function()
    check.raises("circular dependency: module 'slow.own'", require, "slow.own")
  end)
  test("a module without result is true and loaded once", function()
    check.equal({ require "slow.nothing", require "slow.nothing" }, { true, true })
    check.equal(NOTHING_LOADS, 1)
  end)
  test("the end of a coroutine that loads is an error for those who wait", function()
    skynet.fork(require, "slow.endless")
    skynet.yield()
    local results
    skynet.fork(function() results = { pcall(require, "slow.endless") } end)
    skynet.yield()
    skynet.killthread(LOADER_OF_ENDLESS)
    skynet.yield()
    skynet.yield()
    check.equal(results and results[1], false)
    check.matches(results[2], "the load of module 'slow.endless' was given up")
  end)
  test("a module that is nowhere is told with all places", function()
    check.raises("module 'no.such' not found:.*no field package.preload.*no file '.*/lualib/no/such.lua'",
      require, "no.such")
  end)
  test("the name of a module is a string", function()
    check.raises("the name of a module is a string, not a table", require, {})
  end)
  test("preloaded modules are found", function()
    package.preload["made.up"] = function(name) return name .. "!" end
    check.equal(require "made.up", "made.up!")
  end)
  test("init needs a function", function()
    check.raises("init needs a function, not a nil", loader.init)
  end)
  check.done()
end)
