---@meta client.crypt

--- The same as skynet.crypt, for programs without a node.
return require "skynet.crypt"
