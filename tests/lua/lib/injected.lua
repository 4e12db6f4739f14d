print("injected into", _P.lua.state.arguments[1], ...)
