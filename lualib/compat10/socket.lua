-- The name of skynet.socket in programs from before Skynet 1.0.
return require "skynet.socket"
