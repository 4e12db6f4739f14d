-- The name of skynet.crypt in programs from before Skynet 1.0.
return require "skynet.crypt"
