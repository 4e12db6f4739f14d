// skynet.multicast.core: packages that many services read (actor/packages.hpp). What travels is a
// block with the number of the package, where Skynet's has a pointer.
#include <cstring>
#include <lua.hpp>
#include <unordered_map>
#include <utility>

#include "actor/packages.hpp"
#include "base/memory.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "lua/modules/shared_table.hpp"

namespace skyloom::lua {
namespace {

constexpr const char* kOpenType = "skynet.multicast open packages";
constexpr lua_Integer kChannelStep = 256;  // the low 8 bits are the harbor
constexpr lua_Integer kChannelMask = 0x7fffffff;

// Those that this state unpacked and has not closed: their bytes stay, whatever others close.
struct OpenPackages {
  std::unordered_multimap<uint64_t, actor::PackagePointer> packages;
};

// --- what does not raise

// A block with a package's number, as it travels in a message; null, and `bytes` freed: no memory,
// or too many packages.
char* make_package(char* bytes, size_t size) noexcept {
  base::Block payload(bytes);
  base::Block letter = base::make_block(sizeof(uint64_t));
  if (letter == nullptr) return nullptr;
  const uint64_t id = actor::packages().add(payload, size);
  if (id == 0) return nullptr;
  std::memcpy(letter.get(), &id, sizeof id);
  if (actor::packages().add_letter(letter.get(), id)) return letter.release();
  actor::packages().close(id);
  return nullptr;
}

const actor::PackageBytes* open_package(OpenPackages& open, uint64_t id) noexcept {
  actor::PackagePointer bytes = actor::packages().find(id);
  if (bytes == nullptr) return nullptr;
  const actor::PackageBytes* const found = bytes.get();
  const bool is_open = base::try_allocate([&] { open.packages.emplace(id, std::move(bytes)); });
  return is_open ? found : nullptr;
}

bool close_package(OpenPackages& open, uint64_t id) noexcept {
  const auto found = open.packages.find(id);
  if (found != open.packages.end()) open.packages.erase(found);
  return actor::packages().close(id);
}

// The number in the letter, which ends; 0: nobody packed it, or it was taken before.
uint64_t open_letter(void* letter) noexcept {
  const uint64_t id = actor::packages().take_letter(letter);
  if (id != 0) std::free(letter);
  return id;
}

// A copy of the package's bytes; the package is closed.
bool take_copy(uint64_t id, PointedBytes& copy) noexcept {
  const actor::PackagePointer bytes = actor::packages().find(id);
  if (bytes == nullptr) return false;
  base::Block block = base::make_block(bytes->size);
  if (block == nullptr) return false;
  if (bytes->size != 0) std::memcpy(block.get(), bytes->data.get(), bytes->size);
  copy = {block.release(), bytes->size};
  actor::packages().close(id);
  return true;
}

// --- what may raise: no local has a destructor

// A service that ends while it reads closes nothing any more.
int end_open(lua_State* L) {
  OpenPackages ended;
  std::swap(ended, *static_cast<OpenPackages*>(luaL_checkudata(L, 1, kOpenType)));
  for (const auto& [id, bytes] : ended.packages) actor::packages().close(id);
  return 0;
}

OpenPackages& open_packages(lua_State* L) {
  return *static_cast<OpenPackages*>(lua_touserdata(L, lua_upvalueindex(1)));
}

// The bytes of a message: at a pointer as a dispatch function has them, or the string of bind().
uint64_t check_letter(lua_State* L) {
  PointedBytes letter{nullptr, 0};
  if (lua_type(L, 1) == LUA_TSTRING) {
    letter.data = const_cast<char*>(lua_tolstring(L, 1, &letter.size));
  } else {
    letter = check_pointed(L, 1);
  }
  uint64_t id = 0;
  if (letter.size != sizeof id) {
    luaL_error(L, "Invalid multicast package size %I: must be %d",
               static_cast<LUAI_UACINT>(letter.size), static_cast<int>(sizeof id));
  }
  std::memcpy(&id, letter.data, sizeof id);
  return id;
}

int refuse_package(lua_State* L) {
  return luaL_argerror(L, 1, "no package, or one that is closed");
}

int push_package(lua_State* L, char* bytes, size_t size) {
  char* const letter = make_package(bytes, size);
  if (letter == nullptr) {
    return luaL_error(L, "can't pack: no memory, or %d packages are under way",
                      static_cast<int>(actor::Packages::kUnderWayMax));
  }
  lua_pushlightuserdata(L, letter);
  lua_pushinteger(L, sizeof(uint64_t));
  return 2;
}

// pack(ptr, sz), the block is taken over -> package, size
int pack(lua_State* L) {
  const PointedBytes bytes = check_pointed(L, 1);
  return push_package(L, bytes.data, bytes.size);
}

// packremote(ptr, sz), the bytes are copied -> package, size
int pack_copy(lua_State* L) {
  const PointedBytes bytes = check_pointed(L, 1);
  char* const copy = base::make_block(bytes.size).release();
  if (copy == nullptr) return no_memory(L);
  if (bytes.size != 0) std::memcpy(copy, bytes.data, bytes.size);
  return push_package(L, copy, bytes.size);
}

// unpack(ptr, sz) or unpack(letter) -> package, ptr, sz: the bytes are there until close(package)
int unpack(lua_State* L) {
  const uint64_t id = check_letter(L);
  const actor::PackageBytes* const bytes = open_package(open_packages(L), id);
  if (bytes == nullptr) return refuse_package(L);
  push_shared_id(L, id);
  lua_pushlightuserdata(L, bytes->data.get());
  lua_pushinteger(L, static_cast<lua_Integer>(bytes->size));
  return 3;
}

// bind(ptr, n): n calls of close() end it; the block at ptr is freed -> package, and the letter as
// a string, the content of the messages to the n readers
int bind_package(lua_State* L) {
  luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
  const lua_Integer count = check_range(L, 2, "references", 0, UINT32_MAX);
  const uint64_t id = open_letter(lua_touserdata(L, 1));
  if (!actor::packages().set_references(id, static_cast<uint32_t>(count))) {
    return refuse_package(L);
  }
  push_shared_id(L, id);
  lua_pushlstring(L, reinterpret_cast<const char*>(&id), sizeof id);
  return 2;
}

int close_one(lua_State* L) {
  if (!close_package(open_packages(L), check_shared_id(L, 1))) return refuse_package(L);
  return 0;
}

// remote(ptr) -> ptr, sz: a copy of its bytes, the caller's; package and block at ptr are freed
int take_remote(lua_State* L) {
  luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
  PointedBytes copy{nullptr, 0};
  if (!take_copy(open_letter(lua_touserdata(L, 1)), copy)) return refuse_package(L);
  lua_pushlightuserdata(L, copy.data);
  lua_pushinteger(L, static_cast<lua_Integer>(copy.size));
  return 2;
}

// nextid(channel) -> the channel behind it, of the same harbor
int next_id(lua_State* L) {
  const auto id = static_cast<lua_Unsigned>(luaL_checkinteger(L, 1)) + kChannelStep;
  lua_pushinteger(L, static_cast<lua_Integer>(id & kChannelMask));
  return 1;
}

void push_open(lua_State* L) {
  new (lua_newuserdatauv(L, sizeof(OpenPackages), 0)) OpenPackages{};
  if (luaL_newmetatable(L, kOpenType) != 0) {
    lua_pushcfunction(L, end_open);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_multicast_core(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"pack", pack},       {"packremote", pack_copy}, {"unpack", unpack},  {"bind", bind_package},
      {"close", close_one}, {"remote", take_remote},   {"nextid", next_id}, {nullptr, nullptr}};
  luaL_newlibtable(L, kFunctions);
  push_open(L);
  luaL_setfuncs(L, kFunctions, 1);
  return 1;
}
