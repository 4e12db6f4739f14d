-- The name of skynet.sharedata in programs from before Skynet 1.0.
return require "skynet.sharedata"
