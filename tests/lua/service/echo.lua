-- Answers what it is asked; `die` ends it, `fail` raises, `nap` answers when told to wake.
local skynet = require "skynet"

local command = {}
local counter = 0  -- seen by injected code
local state = { hits = 0 }
local sleepers = {}

function command.echo(...)
  state.hits = state.hits + 1
  skynet.retpack(...)
end

function command.arguments()
  skynet.retpack(table.unpack(state.arguments))
end

function command.fail()
  error "asked to fail"
end

function command.die()
  skynet.exit()
end

function command.nap(token)
  sleepers[token] = true
  skynet.wait(token)
  skynet.retpack("awake")
end

function command.wake(token)
  skynet.wakeup(token)
  skynet.retpack(true)
end

function command.step(a, b)
  local sum = a + b
  local product = a * b
  counter = counter + 1
  skynet.retpack(sum, product, counter)
end

state.arguments = { ... }

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    state.last = name
    command[name](...)
  end)
  skynet.info_func(function(...) return { hits = state.hits, extra = table.concat({ ... }, "+") } end)
end)
