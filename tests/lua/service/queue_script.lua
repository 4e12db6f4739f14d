local skynet = require "skynet"
local queue = require "skynet.queue"
local check = require "check"
local test, equal = check.test, check.equal

-- Runs all of the functions in coroutines and waits for their ends.
local function run_all(functions)
  local left, waiter = #functions, coroutine.running()
  for _, f in ipairs(functions) do
    skynet.fork(function()
      f()
      left = left - 1
      if left == 0 then skynet.wakeup(waiter) end
    end)
  end
  while left > 0 do skynet.wait(waiter) end
end

skynet.start(function()
  test("functions run one at a time in the order of the calls", function()
    local cs, log, functions = queue(), {}, {}
    for i = 1, 20 do
      functions[i] = function()
        cs(function()
          log[#log + 1] = "in " .. i
          skynet.yield()
          skynet.sleep(0)
          log[#log + 1] = "out " .. i
        end)
      end
    end
    run_all(functions)
    local wanted = {}
    for i = 1, 20 do
      wanted[#wanted + 1] = "in " .. i
      wanted[#wanted + 1] = "out " .. i
    end
    equal(log, wanted)
  end)

  test("arguments go in and all results come out", function()
    local results = table.pack(queue()(function(...) return select("#", ...), ... end, 1, nil, 3, nil))
    equal(results.n, 5)
    equal({ results[1], results[2], results[4] }, { 4, 1, 3 })
  end)

  test("the coroutine inside may enter again", function()
    local cs, log = queue(), {}
    run_all {
      function()
        cs(function()
          cs(function()
            skynet.yield()
            log[#log + 1] = "inner"
          end)
          skynet.yield()
          log[#log + 1] = "outer"
        end)
      end,
      function() cs(function() log[#log + 1] = "next" end) end,
    }
    equal(log, { "inner", "outer", "next" })
  end)

  test("an error leaves the queue and reaches the caller as it is", function()
    local cs, log = queue(), {}
    local object = {}
    run_all {
      function()
        local ok, err = pcall(cs, function()
          skynet.yield()
          error(object)
        end)
        log[#log + 1] = ok == false and err == object
      end,
      function() cs(function() log[#log + 1] = "next" end) end,
    }
    equal(log[1] == "next" and log[2] or log[1], true)
    equal(#log, 2)
  end)

  test("a coroutine that waits and is woken by others goes on waiting", function()
    local cs, log, second = queue(), {}, nil
    run_all {
      function()
        cs(function()
          skynet.yield()
          skynet.wakeup(second)
          skynet.yield()
          log[#log + 1] = "first"
        end)
      end,
      function()
        second = coroutine.running()
        cs(function() log[#log + 1] = "second" end)
      end,
    }
    equal(log, { "first", "second" })
  end)

  test("a coroutine that is killed does not hold the queue", function()
    local cs, log = queue(), {}
    local holder = skynet.fork(function() cs(skynet.wait, {}) end)
    skynet.yield()
    local waiting = skynet.fork(function() cs(function() log[#log + 1] = "killed" end) end)
    skynet.yield()
    skynet.killthread(waiting)
    skynet.killthread(holder)
    cs(function() log[#log + 1] = "free" end)
    equal(log, { "free" })
  end)

  check.done()
end)
