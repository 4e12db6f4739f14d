-- The name of skynet.snax in programs from before Skynet 1.0.
return require "skynet.snax"
