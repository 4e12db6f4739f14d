#include <algorithm>
#include <bit>
#include <climits>

#include "lua/modules/sproto_encode.hpp"

namespace skyloom::lua {
namespace {

using codec::SprotoField;
using codec::SprotoItem;
using codec::SprotoItems;
using codec::SprotoKind;
using codec::SprotoOrder;
using codec::SprotoType;

void push_text(lua_State* L, std::string_view text) {
  lua_pushlstring(L, text.data(), text.size());
}

// As long as what comes is there already.
void push_array_table(lua_State* L, size_t count) {
  lua_createtable(L, static_cast<int>(std::min<size_t>(count, INT_MAX)), 0);
}

class SprotoDecoder {
 public:
  SprotoDecoder(lua_State* L, const codec::SprotoSchema& schema) noexcept
      : L_(L), schema_(schema) {}

  // In the table at `into`, or in a new one if that is 0.
  void push_structure(const SprotoType& type, std::string_view bytes, int into);

 private:
  void push_item(const SprotoField& field, const SprotoItem& item);
  void push_integer(const SprotoField& field, int64_t value);
  void push_number(const SprotoField& field, int64_t bits);
  void push_data(const SprotoField& field, std::string_view data);
  void push_array(const SprotoField& field, std::string_view data);
  void push_numbers(const SprotoField& field, std::string_view data);
  void push_booleans(std::string_view data);
  void push_list(const SprotoField& field, std::string_view data);
  void push_keyed(const SprotoField& field, std::string_view data);

  // Nobody comes here: the message has been checked. Raising is cheaper than to prove it.
  void refuse() { luaL_error(L_, "decode error"); }

  lua_State* const L_;
  const codec::SprotoSchema& schema_;
};

void SprotoDecoder::push_structure(const SprotoType& type, std::string_view bytes, int into) {
  luaL_checkstack(L_, LUA_MINSTACK, "sproto");
  auto items = SprotoItems::open(bytes);
  if (!items) return refuse();
  if (into != 0) {
    lua_pushvalue(L_, into);
  } else {
    lua_createtable(L_, 0, static_cast<int>(std::min(items->count_max(), type.fields.size())));
  }
  codec::SprotoFieldFinder finder(type);
  SprotoItem item;
  while (items->next(item)) {
    const SprotoField* const field = finder.find(item.tag);
    if (field == nullptr) continue;
    push_text(L_, field->name);
    push_item(*field, item);
    lua_rawset(L_, -3);
  }
}

void SprotoDecoder::push_item(const SprotoField& field, const SprotoItem& item) {
  if (!item.has_data) {
    if (field.kind == SprotoKind::kBoolean) {
      lua_pushboolean(L_, item.value);
    } else {
      push_integer(field, item.value);
    }
  } else if (field.is_array()) {
    push_array(field, item.data);
  } else {
    push_data(field, item.data);
  }
}

void SprotoDecoder::push_integer(const SprotoField& field, int64_t value) {
  if (field.scale == 0) {
    lua_pushinteger(L_, value);
  } else {
    lua_pushnumber(L_, static_cast<lua_Number>(value) / static_cast<lua_Number>(field.scale));
  }
}

void SprotoDecoder::push_number(const SprotoField& field, int64_t bits) {
  if (field.kind == SprotoKind::kDouble) {
    lua_pushnumber(L_, std::bit_cast<double>(bits));
  } else {
    push_integer(field, bits);
  }
}

void SprotoDecoder::push_data(const SprotoField& field, std::string_view data) {
  switch (field.kind) {
    case SprotoKind::kInteger:
    case SprotoKind::kDouble: push_number(field, codec::sproto_number(data)); return;
    case SprotoKind::kString: push_text(L_, data); return;
    case SprotoKind::kStruct: push_structure(schema_.type(field.type), data, 0); return;
    case SprotoKind::kBoolean: break;
  }
  refuse();
}

void SprotoDecoder::push_array(const SprotoField& field, std::string_view data) {
  luaL_checkstack(L_, LUA_MINSTACK, "sproto");
  if (field.order != SprotoOrder::kListed) return push_keyed(field, data);
  switch (field.kind) {
    case SprotoKind::kInteger:
    case SprotoKind::kDouble: return push_numbers(field, data);
    case SprotoKind::kBoolean: return push_booleans(data);
    case SprotoKind::kString:
    case SprotoKind::kStruct: return push_list(field, data);
  }
}

void SprotoDecoder::push_numbers(const SprotoField& field, std::string_view data) {
  const auto numbers = codec::SprotoNumbers::open(data);
  if (!numbers) return refuse();
  push_array_table(L_, numbers->count());
  for (size_t i = 0; i < numbers->count(); ++i) {
    push_number(field, numbers->at(i));
    lua_rawseti(L_, -2, static_cast<lua_Integer>(i) + 1);
  }
}

void SprotoDecoder::push_booleans(std::string_view data) {
  push_array_table(L_, data.size());
  for (size_t i = 0; i < data.size(); ++i) {
    lua_pushboolean(L_, data[i]);
    lua_rawseti(L_, -2, static_cast<lua_Integer>(i) + 1);
  }
}

void SprotoDecoder::push_list(const SprotoField& field, std::string_view data) {
  lua_newtable(L_);
  codec::SprotoParts parts(data);
  std::string_view part;
  for (lua_Integer index = 1; parts.next(part); ++index) {
    push_data(field, part);
    lua_rawseti(L_, -2, index);
  }
}

void SprotoDecoder::push_keyed(const SprotoField& field, std::string_view data) {
  const SprotoType& type = schema_.type(field.type);
  const SprotoField& key = type.fields[field.key];
  lua_newtable(L_);
  codec::SprotoParts parts(data);
  std::string_view part;
  while (parts.next(part)) {
    push_data(field, part);
    push_text(L_, key.name);
    if (lua_rawget(L_, -2) == LUA_TNIL) {
      luaL_error(L_, "Can't find main index (tag=%d) in [%s]", static_cast<int>(key.tag),
                 field.name.c_str());
    }
    lua_insert(L_, -2);  // the key before the element
    if (field.order == SprotoOrder::kMapped) {
      push_text(L_, type.fields[field.value].name);
      lua_rawget(L_, -2);
      lua_remove(L_, -2);
    }
    lua_rawset(L_, -3);
  }
}

// The elements of arrays are not there by default, and tables tell their types.
void push_default(lua_State* L, const codec::SprotoSchema& schema, const SprotoField& field) {
  if (field.is_array()) return lua_newtable(L);
  switch (field.kind) {
    case SprotoKind::kInteger:
      if (field.scale == 0) return lua_pushinteger(L, 0);
      return lua_pushnumber(L, 0);
    case SprotoKind::kDouble: return lua_pushnumber(L, 0);
    case SprotoKind::kBoolean: return lua_pushboolean(L, 0);
    case SprotoKind::kString: lua_pushliteral(L, ""); return;
    case SprotoKind::kStruct:
      lua_createtable(L, 0, 1);
      push_text(L, schema.type(field.type).name);
      lua_setfield(L, -2, "__type");
      return;
  }
}

}  // namespace

void decode_sproto(lua_State* L, const codec::SprotoSchema& schema, uint16_t type,
                   std::string_view message, int into) {
  SprotoDecoder(L, schema).push_structure(schema.type(type), message, into);
}

void push_sproto_default(lua_State* L, const codec::SprotoSchema& schema, uint16_t type) {
  luaL_checkstack(L, LUA_MINSTACK, "sproto");
  const SprotoType& wanted = schema.type(type);
  lua_createtable(L, 0, static_cast<int>(wanted.fields.size()));
  for (const SprotoField& field : wanted.fields) {
    push_text(L, field.name);
    push_default(L, schema, field);
    lua_rawset(L, -3);
  }
}

}  // namespace skyloom::lua
