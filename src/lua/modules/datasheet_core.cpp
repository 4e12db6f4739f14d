// skynet.datasheet.core: shared tables that are made of documents, which are serialised values
// (lua/seri.hpp).
#include <lua.hpp>

#include "lua/modules/open.hpp"
#include "lua/modules/shared.hpp"
#include "lua/seri.hpp"
#include "lua/shared_proxy.hpp"

namespace skyloom::lua {
namespace {

// new(pointer) -> proxy
int new_proxy(lua_State* L) {
  check_box_of(L, 1);
  push_shared_root(L, -1);
  return 1;
}

// update(proxy, pointer)
int update_proxy(lua_State* L) {
  luaL_argexpected(L, is_shared_proxy(L, 1), 1, "datasheet");
  check_box_of(L, 2);
  move_shared_proxy(L, 1, -1, Orphans::kFail);
  return 0;
}

// stringpointer(document) -> pointer: a number, until skynet.sharedata.core's delete()
int share_document(lua_State* L) {
  size_t size = 0;
  const char* const document = luaL_checklstring(L, 1, &size);
  lua_settop(L, 1);
  if (seri_unpack(L, document, size) != 1 || lua_type(L, 2) != LUA_TTABLE) {
    return luaL_argerror(L, 1, "no document of skynet.datasheet.dump");
  }
  SharedBox* const box = build_shared(L, 2);
  push_shared_address(L, {box->object->id(), SharedTree::kRoot});
  box->drop();
  return 1;
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_datasheet_core(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {{"new", new_proxy},
                                            {"update", update_proxy},
                                            {"stringpointer", share_document},
                                            {nullptr, nullptr}};
  luaL_newlib(L, kFunctions);
  return 1;
}
