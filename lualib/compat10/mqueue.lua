-- The name of skynet.mqueue in programs from before Skynet 1.0.
return require "skynet.mqueue"
