// Resuming coroutines, and what they cost: the module `skynet.profile`, and `coroutine.resume` and
// `coroutine.wrap` in its sense (contract 4.3).
#pragma once

#include <lua.hpp>

namespace skyloom::lua {

// lua_resume() of `thread` by `from`: interrupts strike the coroutine, and its processor time
// counts.
int resume_thread(lua_State* from, lua_State* thread, int arguments, int& results);

// A message handler for lua_pcall: the error's text with a traceback.
int traceback(lua_State* L);

// Sets up the module and replaces the two functions of `coroutine` in this state.
void open_profile(lua_State* L);

}  // namespace skyloom::lua
