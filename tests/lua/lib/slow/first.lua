require("skynet").sleep(2)
return { "first", require "slow.second" }
