--- Coroutines of a program in which skynet.call, sleep and wait work: `coroutine` with one more status,
--- "blocked", for what waits in the framework.
return require "skyloom.coroutine"
