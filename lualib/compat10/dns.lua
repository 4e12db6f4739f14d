-- The name of skynet.dns in programs from before Skynet 1.0.
return require "skynet.dns"
