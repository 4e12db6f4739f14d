-- The name of skynet.cluster in programs from before Skynet 1.0.
return require "skynet.cluster"
