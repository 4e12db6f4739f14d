// sproto.core (contract 5.2). A schema and a type of it are light userdata, as in Skynet, and hold
// numbers (docs/adr/0023): whatever a script passes, a schema is found or an error raised. Each Lua
// state keeps the schemas that it has used in a table, so that only the first use of one takes a
// lock; during a call the stack keeps them. Any lua_ call below may longjmp: no local has a
// destructor.
#include <algorithm>
#include <memory>
#include <string>

#include "base/memory.hpp"
#include "codec/sproto_text.hpp"
#include "codec/zero_pack.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/shared_table.hpp"
#include "lua/modules/sproto_encode.hpp"
#include "lua/modules/sproto_schemas.hpp"

namespace skyloom::lua {
namespace {

using codec::SprotoError;
using codec::SprotoProtocol;
using codec::SprotoSchema;

constexpr const char* kSchemaType = "sproto schema";
constexpr const char* kTextType = "sproto text";
// In a light userdata: the number of a schema above, the index of a type plus one below.
constexpr int kTypeBits = 16;
constexpr uint64_t kTypeMask = (uint64_t{1} << kTypeBits) - 1;
static_assert(codec::kSprotoTypesMax < kTypeMask);

struct SchemaHolder {
  SchemaPointer schema;
};
struct TextHolder {
  std::unique_ptr<std::string> text;
};

// One for the process: services of all workers meet here.
SprotoSchemas& schemas() noexcept {
  static SprotoSchemas all;
  return all;
}

// --- what does not raise

// The number of the new schema; 0: see `error`.
uint64_t load_schema(std::string_view bundle, SprotoError& error) noexcept {
  SchemaPointer schema;
  const bool has_memory = base::try_allocate([&] {
    auto loaded = SprotoSchema::load(bundle);
    if (loaded.ok()) {
      schema = std::make_shared<const SprotoSchema>(std::move(*loaded));  // ADR 0023
    } else {
      error = loaded.error();
    }
  });
  if (!has_memory) error = SprotoError("not enough memory");
  if (schema == nullptr) return 0;
  const uint64_t id = schemas().add(std::move(schema));
  if (id == 0) error = SprotoError("not enough memory, or 1048576 schemas already");
  return id;
}

bool compile(std::string_view text, std::string_view name, TextHolder& into,
             SprotoError& error) noexcept {
  const bool has_memory = base::try_allocate([&] {
    auto bundle = codec::compile_sproto(text, name);
    if (bundle.ok()) {
      into.text = std::make_unique<std::string>(std::move(*bundle));
    } else {
      error = bundle.error();
    }
  });
  if (!has_memory) error = SprotoError("not enough memory");
  return into.text != nullptr;
}

bool describe(const SprotoSchema& schema, TextHolder& into) noexcept {
  return base::try_allocate([&] { into.text = std::make_unique<std::string>(schema.describe()); });
}

bool hold(SchemaHolder& holder, uint64_t id) noexcept {
  holder.schema = schemas().find(id);
  return holder.schema != nullptr;
}

// The number of what it holds now; 0: the slot is empty.
uint64_t hold_slot(SchemaHolder& holder, size_t slot) noexcept {
  NumberedSchema found = schemas().load(slot);
  holder.schema = std::move(found.schema);
  return found.id;
}

// --- what may raise

void push_handle(lua_State* L, uint64_t id, uint64_t type_bits) {
  push_shared_id(L, id << kTypeBits | type_bits);
}

struct Handle {
  uint64_t id;
  uint64_t type_bits;
};

Handle check_handle(lua_State* L, int index) {
  const uint64_t bits = check_shared_id(L, index);
  return {bits >> kTypeBits, bits & kTypeMask};
}

const void* key_of(uint64_t id) noexcept {
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(id << kTypeBits));
}

// Keeps the holder on top for later calls of this state.
void keep_schema(lua_State* L, uint64_t id) {
  lua_pushvalue(L, -1);
  lua_rawsetp(L, lua_upvalueindex(1), key_of(id));
}

// Pushes what keeps it. The upvalue has the room in field 1, and schemas under their numbers.
const SprotoSchema* check_schema(lua_State* L, int index, uint64_t id) {
  if (lua_rawgetp(L, lua_upvalueindex(1), key_of(id)) == LUA_TUSERDATA) {
    const auto* const holder = static_cast<const SchemaHolder*>(lua_touserdata(L, -1));
    if (holder->schema != nullptr) return holder->schema.get();
  }
  lua_pop(L, 1);
  auto* const holder = push_object<SchemaHolder>(L, kSchemaType);
  if (!hold(*holder, id)) luaL_argerror(L, index, "no such sproto: deleted, or never made");
  keep_schema(L, id);
  return holder->schema.get();
}

const SprotoSchema* check_sproto(lua_State* L, int index) {
  const Handle handle = check_handle(L, index);
  luaL_argcheck(L, handle.type_bits == 0, index, "a sproto type instead of a sproto");
  return check_schema(L, index, handle.id);
}

struct TypeReference {
  const SprotoSchema* schema;
  uint16_t type;
};

TypeReference check_type(lua_State* L, int index) {
  const Handle handle = check_handle(L, index);
  luaL_argcheck(L, handle.type_bits != 0, index, "a sproto instead of a type of it");
  const SprotoSchema* const schema = check_schema(L, index, handle.id);
  luaL_argcheck(L, handle.type_bits <= schema->types().size(), index, "no such sproto type");
  return {schema, static_cast<uint16_t>(handle.type_bits - 1)};
}

// The type of a response without content (`response nil`).
bool is_empty_type(lua_State* L, int index) {
  return lua_islightuserdata(L, index) && lua_touserdata(L, index) == nullptr;
}

// A string, or pointer and size behind it.
std::string_view check_message(lua_State* L, int index) {
  if (lua_type(L, index) == LUA_TSTRING) return check_text(L, index);
  if (lua_type(L, index) == LUA_TUSERDATA) {
    const auto max = static_cast<lua_Integer>(lua_rawlen(L, index));
    return {static_cast<const char*>(lua_touserdata(L, index)),
            static_cast<size_t>(check_range(L, index + 1, "size", 0, max))};
  }
  const PointedBytes bytes = check_pointed(L, index);
  return {bytes.data == nullptr ? "" : bytes.data, bytes.size};
}

// newproto(bundle) -> sproto, or nil and why
int newproto(lua_State* L) {
  SprotoError error;
  const uint64_t id = load_schema(check_message(L, 1), error);
  if (id == 0) {
    lua_pushnil(L);
    lua_pushstring(L, error.c_str());
    return 2;
  }
  push_handle(L, id, 0);
  return 1;
}

int deleteproto(lua_State* L) {
  const Handle handle = check_handle(L, 1);
  luaL_argcheck(L, handle.type_bits == 0, 1, "a sproto type instead of a sproto");
  schemas().remove(handle.id);
  lua_pushnil(L);
  lua_rawsetp(L, lua_upvalueindex(1), lua_touserdata(L, 1));
  return 0;
}

int push_held(lua_State* L, const TextHolder& holder) {
  lua_pushlstring(L, holder.text->data(), holder.text->size());
  return 1;
}

// dumpproto(sproto) -> text
int dumpproto(lua_State* L) {
  const SprotoSchema* const schema = check_sproto(L, 1);
  auto* const holder = push_object<TextHolder>(L, kTextType);
  if (!describe(*schema, *holder)) return no_memory(L);
  return push_held(L, *holder);
}

// compile(text [, name]) -> bundle; of ours, for sprotoparser
int compile_text(lua_State* L) {
  const std::string_view text = check_text(L, 1);
  const std::string_view name = lua_isnoneornil(L, 2) ? "=text" : check_text(L, 2);
  auto* const holder = push_object<TextHolder>(L, kTextType);
  SprotoError error;
  if (!compile(text, name, *holder, error)) return luaL_error(L, "%s", error.c_str());
  return push_held(L, *holder);
}

int querytype(lua_State* L) {
  const std::string_view name = check_text(L, 2);
  const SprotoSchema* const schema = check_sproto(L, 1);
  const auto type = schema->find_type(name);
  if (!type) return 0;
  push_handle(L, check_handle(L, 1).id, uint64_t{*type} + 1);
  return 1;
}

void push_type(lua_State* L, uint64_t id, const std::optional<uint16_t>& type) {
  if (type) {
    push_handle(L, id, uint64_t{*type} + 1);
  } else {
    lua_pushnil(L);
  }
}

// protocol(sproto, name or tag) -> tag or name, type of the request, of the response
int query_protocol(lua_State* L) {
  const bool by_tag = lua_type(L, 2) == LUA_TNUMBER;
  const SprotoSchema* const schema = check_sproto(L, 1);
  const SprotoProtocol* const protocol = by_tag ? schema->find_protocol(luaL_checkinteger(L, 2))
                                                : schema->find_protocol(check_text(L, 2));
  if (protocol == nullptr) return 0;
  if (by_tag) {
    lua_pushlstring(L, protocol->name.data(), protocol->name.size());
  } else {
    lua_pushinteger(L, protocol->tag);
  }
  const uint64_t id = check_handle(L, 1).id;
  push_type(L, id, protocol->request);
  if (protocol->is_confirmed) {
    lua_pushlightuserdata(L, nullptr);
  } else {
    push_type(L, id, protocol->response);
  }
  return 3;
}

// encode(type, table) -> string
int encode(lua_State* L) {
  lua_settop(L, 2);
  if (is_empty_type(L, 1)) {
    luaL_checktype(L, 2, LUA_TNIL);
    lua_pushliteral(L, "");
    return 1;
  }
  const TypeReference reference = check_type(L, 1);
  if (lua_type(L, 2) != LUA_TUSERDATA) luaL_checktype(L, 2, LUA_TTABLE);
  Room room = open_room(L);
  encode_sproto(room, *reference.schema, reference.type, 2);
  lua_pushlstring(L, room.bytes, room.used);
  close_room(room);
  return 1;
}

// decode(type, string or pointer and size [, table]) -> table, bytes that it took
int decode(lua_State* L) {
  if (is_empty_type(L, 1)) return 0;
  const std::string_view message = check_message(L, 2);
  const int table = lua_gettop(L);
  const int into = lua_istable(L, table) ? table : 0;
  const TypeReference reference = check_type(L, 1);
  const auto size = reference.schema->check(reference.type, message);
  if (!size) {
    return luaL_error(L, "decode error: %I bytes are no whole %s",
                      static_cast<LUAI_UACINT>(message.size()),
                      reference.schema->type(reference.type).name.c_str());
  }
  decode_sproto(L, *reference.schema, reference.type, message.substr(0, *size), into);
  lua_pushinteger(L, static_cast<lua_Integer>(*size));
  return 2;
}

int push_default(lua_State* L) {
  if (is_empty_type(L, 1)) return 0;
  const TypeReference reference = check_type(L, 1);
  push_sproto_default(L, *reference.schema, reference.type);
  return 1;
}

int saveproto(lua_State* L) {
  check_sproto(L, 1);
  const lua_Integer slot = check_range(L, 2, "slot", 0, SprotoSchemas::kSlots - 1);
  if (!schemas().save(check_handle(L, 1).id, static_cast<size_t>(slot))) {
    return luaL_argerror(L, 1, "no such sproto: deleted meanwhile");
  }
  return 0;
}

// The schema that is loaded stays this state's, whatever comes into the slot.
int loadproto(lua_State* L) {
  const lua_Integer slot = check_range(L, 1, "slot", 0, SprotoSchemas::kSlots - 1);
  auto* const holder = push_object<SchemaHolder>(L, kSchemaType);
  const uint64_t id = hold_slot(*holder, static_cast<size_t>(slot));
  if (id == 0) return luaL_error(L, "nil sproto at index %d", static_cast<int>(slot));
  keep_schema(L, id);
  push_handle(L, id, 0);
  return 1;
}

int pack(lua_State* L) {
  const std::string_view message = check_message(L, 1);
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, codec::zero_packed_size_max(message.size()));
  luaL_pushresultsize(&buffer, codec::zero_pack(message, into));
  return 1;
}

int unpack(lua_State* L) {
  const std::string_view packed = check_message(L, 1);
  const auto size = codec::zero_unpacked_size(packed);
  if (!size) return luaL_error(L, "Invalid unpack stream");
  luaL_Buffer buffer;
  char* const into = luaL_buffinitsize(L, &buffer, *size);
  codec::zero_unpack(packed, into);
  luaL_pushresultsize(&buffer, *size);
  return 1;
}

int clear_schema(lua_State* L) {
  return clear_object<SchemaHolder>(L, kSchemaType);
}
int clear_text(lua_State* L) {
  return clear_object<TextHolder>(L, kTextType);
}

void make_type(lua_State* L, const char* type, lua_CFunction clear) {
  luaL_newmetatable(L, type);
  lua_pushcfunction(L, clear);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_sproto_core(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {{"newproto", newproto},    {"deleteproto", deleteproto},
                                            {"dumpproto", dumpproto},  {"compile", compile_text},
                                            {"querytype", querytype},  {"protocol", query_protocol},
                                            {"encode", encode},        {"decode", decode},
                                            {"default", push_default}, {"saveproto", saveproto},
                                            {"loadproto", loadproto},  {"pack", pack},
                                            {"unpack", unpack},        {nullptr, nullptr}};
  make_type(L, kSchemaType, clear_schema);
  make_type(L, kTextType, clear_text);
  luaL_newlibtable(L, kFunctions);
  lua_newtable(L);
  luaL_setfuncs(L, kFunctions, 1);
  return 1;
}
