-- The name of skynet.datacenter in programs from before Skynet 1.0.
return require "skynet.datacenter"
