--- `require` for services: `require(name)` may be used where the module yields while it loads; `init(f)` runs f
--- before the service starts, or when the module that is being loaded is complete; `init_all()` is the
--- start of the service. Each module is loaded once, its errors reach everybody who waits for it.
---@class skynet.require
---@field require fun(name: string): any, any
---@field init fun(f: fun())
---@field init_all fun()
return require "skyloom.require"
