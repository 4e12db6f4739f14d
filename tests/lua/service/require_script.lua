-- `require` in services.
local skynet = require "skynet"
local loader = require "skynet.require"
local check = require "check"
local test = check.test

local order = {}
skynet.init(function() order[#order + 1] = "init" end)

--- Modules and scripts whose files come, change and go while the node runs.
local function test_files()
  local folder = os.tmpname()
  os.remove(folder)
  check.equal(os.execute(string.format("mkdir -p %s/first %s/second", folder, folder)), true)
  local paths = package.path
  package.path = string.format("%s/first/?.lua;%s/second/?.lua", folder, folder)

  local function write(name, text)
    local file <close> = assert(io.open(folder .. name, "w"))
    file:write(text)
  end
  local function load_anew(name)
    package.loaded[name] = nil
    return require(name)
  end

  test("a module whose file has changed is compiled again", function()
    write("/first/changing.lua", "return 'old'")
    check.equal({ load_anew "changing" }, { "old", folder .. "/first/changing.lua" })
    check.equal(load_anew "changing", "old")
    write("/first/changing.lua", "return 'newer'")
    check.equal(load_anew "changing", "newer")
  end)
  test("a module whose file has gone is found at the next place, and then nowhere", function()
    write("/second/changing.lua", "return 'second'")
    os.remove(folder .. "/first/changing.lua")
    check.equal({ load_anew "changing" }, { "second", folder .. "/second/changing.lua" })
    os.remove(folder .. "/second/changing.lua")
    local ok, why = pcall(load_anew, "changing")
    check.equal(ok, false)
    check.equal(why:find(string.format("no file '%s/first/changing.lua'\n\tno file '%s/second/changing.lua'", folder,
      folder), 1, true) ~= nil, true)
  end)
  test("a file that comes to an earlier place is found there", function()
    write("/second/coming.lua", "return 'second'")
    check.equal(load_anew "coming", "second")
    write("/first/coming.lua", "return 'first'")
    check.equal(load_anew "coming", "first")
  end)
  test("a folder with the name of a module is an error", function()
    write("/second/folder.lua", "return true")
    check.equal(os.execute("mkdir " .. folder .. "/first/folder.lua"), true)
    local ok, why = pcall(load_anew, "folder")
    check.equal(ok, false)
    check.matches(why, "^error loading module 'folder' from file '.*/first/folder%.lua':\n\t.*directory")
  end)
  test("a module with a mistake is told with its file and line", function()
    write("/first/mistaken.lua", "return {\nreturn")
    local ok, why = pcall(load_anew, "mistaken")
    check.equal(ok, false)
    check.matches(why, "^error loading module 'mistaken' from file '.*/first/mistaken%.lua':\n\t.*mistaken%.lua:2:")
  end)
  test("dots in the name of a module are folders", function()
    check.equal(os.execute("mkdir " .. folder .. "/first/deep"), true)
    write("/first/deep/one.lua", "return ...")
    check.equal(load_anew "deep.one", "deep.one")
  end)
  test("without a path no module is found", function()
    package.path = nil
    local ok, why = pcall(load_anew, "coming")
    check.equal(ok, false)
    check.matches(why, "'package.path' must be a string")
  end)
  local name = "changing_service"
  local script = skynet.getenv "scripts" .. "/" .. name .. ".lua"
  --- What a service answers whose script begins with `code` and which answers with `answer`.
  local function launch(code, answer)
    local file = assert(io.open(script, "w"))
    file:write(string.format([[
      local skynet = require "skynet"
      %s
      skynet.start(function()
        skynet.dispatch("lua", function() skynet.retpack(%s) end)
      end)]], code, answer))
    file:close()
    return skynet.call(skynet.newservice(name), "lua")
  end
  test("the script of a service that has changed is compiled again, and one that has gone is not found", function()
    check.equal(launch("", "'old'"), "old")
    check.equal(launch("", "'newer'"), "newer")
    os.remove(script)
    check.equal(pcall(skynet.newservice, name), false)
  end)
  test("what a start has left behind is collected", function()
    local kilobytes = launch("do local text = string.rep('x', 500000) end", "collectgarbage 'count'")
    check.equal(kilobytes < 200 or kilobytes, true)
  end)
  test("a young service collects its garbage", function()
    local kilobytes = launch("for i = 1, 100000 do local garbage = { i } end", "collectgarbage 'count'")
    check.equal(kilobytes < 1000 or kilobytes, true)
  end)

  package.path = paths
  os.execute("rm -r " .. folder)
end

skynet.start(function()
  order[#order + 1] = "start"
  test("init functions of the script run before its start function", function()
    check.equal(order, { "init", "start" })
  end)
  test("a module that yields is loaded once for all who want it", function()
    local results = check.in_parallel(10, function() return require "slow.module" end)()
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
    local results = check.in_parallel(5, function() return require "slow.broken" end)()
    for i = 1, 5 do
      check.equal(results[i], { false, { "a module that breaks" }, n = 2 })
    end
    check.equal(package.loaded["slow.broken"], nil)
  end)
  test("modules that need each other are an error and no deadlock", function()
    local results = check.in_parallel(2, function(i) return require(i == 1 and "slow.first" or "slow.second") end)()
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
    check.raises("init needs a function, not a no value", loader.init)
    check.raises("init needs a function, not a table", loader.init, {})
  end)
  test("init runs its function at once when nothing is loaded any more", function()
    local runs = 0
    loader.init(function()
      skynet.yield()
      runs = runs + 1
    end)
    check.equal(runs, 1)
  end)
  test("init functions of a module may yield, and their error is the module's", function()
    local runs = 0
    package.preload["with.init"] = function()
      loader.init(function()
        skynet.yield()
        runs = runs + 1
      end)
      loader.init(function()
        if runs == 1 then error "the first try fails" end
      end)
      return "with init"
    end
    check.raises("the first try fails", require, "with.init")
    check.equal(package.loaded["with.init"], nil)
    check.equal(require "with.init", "with init")
    check.equal(runs, 2)
  end)
  test("init functions of a module inside a module run before those of the outer one", function()
    local ran = {}
    package.preload["inner"] = function() loader.init(function() ran[#ran + 1] = "inner" end) end
    package.preload["outer"] = function()
      loader.init(function() ran[#ran + 1] = "outer" end)
      require "inner"
      loader.init(function() ran[#ran + 1] = "outer again" end)
    end
    require "outer"
    check.equal(ran, { "inner", "outer", "outer again" })
  end)
  test("a module may be false, and the first caller is told where it was", function()
    package.preload["no.module"] = function() return false end
    check.equal({ require "no.module" }, { false, ":preload:" })
    check.equal({ require "no.module" }, { false })
  end)
  test("a module may set what it is itself", function()
    package.preload["sets.itself"] = function(name) package.loaded[name] = "itself" end
    check.equal(require "sets.itself", "itself")
  end)
  test_files()
  test("init_all is over once the service has started", function()
    check.equal(loader.init_all(), nil)
  end)
  check.done()
end)
