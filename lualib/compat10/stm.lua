-- The name of skynet.stm in programs from before Skynet 1.0.
return require "skynet.stm"
