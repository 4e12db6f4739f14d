---@meta ltls.init.c

--- For programs that set OpenSSL up themselves: it does so on its own, and these do nothing.
local init = {}

function init.constructor() end
function init.destructor() end

return init
