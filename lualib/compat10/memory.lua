-- The name of skynet.memory in programs from before Skynet 1.0.
return require "skynet.memory"
