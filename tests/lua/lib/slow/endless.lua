LOADER_OF_ENDLESS = coroutine.running()
require("skynet").wait "never"
