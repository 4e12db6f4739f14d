-- Loads the script of a Lua service. The host runs it with the service's argument string, after it has
-- set the globals LUA_PATH, LUA_CPATH, LUA_SERVICE and LUA_PRELOAD.
require "skyloom.loader"(...)
