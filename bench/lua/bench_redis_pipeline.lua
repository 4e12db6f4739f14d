-- SETs in pipelines: snlua bench_redis_pipeline PORT COUNT BATCH call|last|results|prepared (redis_pipeline.py)
local skynet = require "skynet.manager"
local redis = require "skynet.db.redis"

local port, count, batch, mode = ...
port, count, batch = math.tointeger(port), math.tointeger(count), math.tointeger(batch)

local function commands()
  local ops = {}
  for i = 1, batch do ops[i] = { "SET", "key:__rand_int__", "xxx" } end
  return ops
end

skynet.start(function()
  local db = redis.connect { host = "127.0.0.1", port = port }
  local prepared = mode == "prepared" and commands()
  local start = skynet.hpc()
  for _ = 1, count // batch do
    if mode == "call" then
      db:set("key:__rand_int__", "xxx")
    else
      db:pipeline(prepared or commands(), mode == "results" and {} or nil)
    end
  end
  skynet.error(("%.0f requests per second"):format(count / (skynet.hpc() - start) * 1e9))
  skynet.abort()
end)
