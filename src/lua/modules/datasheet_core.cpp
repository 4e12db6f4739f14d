// skynet.datasheet.core: shared tables that are made of documents: serialised values
// (lua/seri.hpp), or what Skynet's own builder writes (codec/datasheet.hpp).
#include <bit>
#include <lua.hpp>
#include <optional>

#include "codec/datasheet.hpp"
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

using codec::Datasheet;
using codec::DatasheetKind;
using codec::DatasheetValue;

// Where they lie while the tables are made.
constexpr int kTables = 2;  // number -> table
constexpr int kTexts = 3;   // offset -> string: one that many values share is made once

void push_text(lua_State* L, const Datasheet& sheet, uint32_t offset) {
  if (lua_rawgeti(L, kTexts, offset) == LUA_TSTRING) return;
  lua_pop(L, 1);
  const std::string_view text = sheet.text(offset);
  lua_pushlstring(L, text.data(), text.size());
  lua_pushvalue(L, -1);
  lua_rawseti(L, kTexts, offset);
}

void push_value(lua_State* L, const Datasheet& sheet, const DatasheetValue& value) {
  switch (value.kind) {
    case DatasheetKind::kNil: lua_pushnil(L); return;
    case DatasheetKind::kInteger: lua_pushinteger(L, static_cast<int32_t>(value.bits)); return;
    case DatasheetKind::kReal:
      lua_pushnumber(L, static_cast<lua_Number>(std::bit_cast<float>(value.bits)));
      return;
    case DatasheetKind::kBoolean: lua_pushboolean(L, static_cast<int>(value.bits)); return;
    case DatasheetKind::kTable: lua_rawgeti(L, kTables, value.bits); return;
    case DatasheetKind::kString: push_text(L, sheet, value.bits); return;
  }
}

// Replaces what lies above the document (index 1) with the outermost table.
void push_tables(lua_State* L, const Datasheet& sheet) {
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  for (uint32_t table = 0; table < sheet.tables(); ++table) {
    lua_newtable(L);
    lua_rawseti(L, kTables, table);
  }
  for (uint32_t table = 0; table < sheet.tables(); ++table) {
    lua_rawgeti(L, kTables, table);
    const uint32_t items = sheet.items(table);
    for (uint32_t item = 0; item < items; ++item) {
      push_value(L, sheet, sheet.value(table, item));
      lua_rawseti(L, -2, lua_Integer{item} + 1);
    }
    for (uint32_t pair = 0; pair < sheet.pairs(table); ++pair) {
      push_text(L, sheet, sheet.key(table, pair));
      push_value(L, sheet, sheet.value(table, items + pair));
      lua_rawset(L, -3);
    }
    lua_pop(L, 1);
  }
  lua_rawgeti(L, kTables, 0);
  lua_replace(L, 2);
  lua_settop(L, 2);
}

// stringpointer(document) -> pointer: a number, until skynet.sharedata.core's delete()
int share_document(lua_State* L) {
  size_t size = 0;
  const char* const document = luaL_checklstring(L, 1, &size);
  lua_settop(L, 1);
  if (const std::optional<Datasheet> sheet = Datasheet::open({document, size})) {
    push_tables(L, *sheet);
  } else if (seri_unpack(L, document, size) != 1 || lua_type(L, 2) != LUA_TTABLE) {
    return luaL_argerror(L, 1, "no document of a datasheet");
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
