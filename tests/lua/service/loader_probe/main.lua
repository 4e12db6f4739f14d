-- A service in a folder of its own, started with arguments and a preload script.
local skynet = require "skynet"
local check = require "check"
local test = check.test
local arguments = { ... }

skynet.start(function()
  test("the arguments are the words behind the name", function()
    check.equal(arguments, { "one", "two", "three" })
  end)
  test("SERVICE_NAME is the first word", function()
    check.equal(SERVICE_NAME, "loader_probe")
  end)
  test("SERVICE_PATH is the folder of the service", function()
    check.matches(SERVICE_PATH, "tests/lua/service/loader_probe/$")
  end)
  test("modules of the service's folder come first", function()
    check.equal(require "neighbour", "the neighbour of loader_probe")
  end)
  test("the preload script got the name and the arguments", function()
    check.equal(PRELOADED, "loader_probe one two three")
  end)
  test("the globals of the loader are gone", function()
    check.equal({ LUA_PATH, LUA_CPATH, LUA_SERVICE, LUA_PRELOAD }, {})
  end)
  test("require is the one that may yield", function()
    check.equal(require, require("skynet.require").require)
  end)
  check.done()
end)
