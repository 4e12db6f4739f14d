-- The name of skynet.profile in programs from before Skynet 1.0.
return require "skynet.profile"
