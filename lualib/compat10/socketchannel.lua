-- The name of skynet.socketchannel in programs from before Skynet 1.0.
return require "skynet.socketchannel"
