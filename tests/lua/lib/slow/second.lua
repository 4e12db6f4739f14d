require("skynet").sleep(2)
return { "second", require "slow.first" }
