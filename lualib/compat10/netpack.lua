-- The name of skynet.netpack in programs from before Skynet 1.0.
return require "skynet.netpack"
