-- The name of skynet.multicast in programs from before Skynet 1.0.
return require "skynet.multicast"
