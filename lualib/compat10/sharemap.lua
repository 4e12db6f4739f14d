-- The name of skynet.sharemap in programs from before Skynet 1.0.
return require "skynet.sharemap"
