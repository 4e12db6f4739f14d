-- The name of skynet.db.redis in programs from before Skynet 1.0.
return require "skynet.db.redis"
