-- Skynet's programs require it before they launch and name services.
return require "skynet"
