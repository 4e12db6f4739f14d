-- The name of skynet.socketdriver in programs from before Skynet 1.0.
return require "skynet.socketdriver"
