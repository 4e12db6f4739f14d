#include "lua/modules/stm.hpp"

#include <cstring>
#include <lua.hpp>
#include <utility>

#include "base/memory.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/shared_table.hpp"

namespace skyloom::lua {

bool StmBox::publish(base::Block& bytes, size_t size) noexcept {
  StmVersionPointer old;  // the last reference may be ours: it ends outside of the lock
  return base::try_allocate([&] {
    const auto version = std::make_shared<StmVersion>();  // ADR 0023
    version->bytes = std::move(bytes);
    version->size = size;
    base::MutexLock lock(mutex_);
    old = std::exchange(current_, version);
    ++number_;
  });
}

void StmBox::close() noexcept {
  StmVersionPointer old;
  base::MutexLock lock(mutex_);
  old = std::exchange(current_, nullptr);
}

StmNews StmBox::newer_than(uint64_t seen) const noexcept {
  base::MutexLock lock(mutex_);
  if (seen == number_) return {};
  return {current_, number_};
}

namespace {

using BoxPointer = std::shared_ptr<StmBox>;  // ADR 0023

constexpr const char* kWriterType = "skynet.stm writer";
constexpr const char* kReaderType = "skynet.stm reader";
constexpr const char* kLeaseType = "skynet.stm lease";

struct Writer {
  Writer() = default;
  Writer& operator=(Writer&& other) noexcept {
    if (box != nullptr) box->close();
    box = std::move(other.box);
    return *this;
  }
  BoxPointer box;
};
struct Reader {
  BoxPointer box;
  StmNews last;  // its bytes stay until the next read
};
// Holds a version while a script's function looks at it, whatever the function does to the reader.
struct Lease {
  StmVersionPointer version;
};

// Boxes whose copies travel. One for the process: services of all workers meet here.
SharedTable<StmBox>& copies() noexcept {
  static SharedTable<StmBox> table;
  return table;
}

// --- what does not raise

bool open_writer(Writer& writer, base::Block& bytes, size_t size) noexcept {
  BoxPointer box;
  if (!base::try_allocate([&] { box = std::make_shared<StmBox>(); })) return false;  // ADR 0023
  if (!box->publish(bytes, size)) return false;
  writer.box = std::move(box);
  return true;
}

bool publish(const Writer& writer, base::Block& bytes, size_t size) noexcept {
  return writer.box->publish(bytes, size);
}

bool open_reader(Reader& reader, uint64_t id) noexcept {
  reader.box = copies().take(id);
  return reader.box != nullptr;
}

// False: nothing new.
bool read(Reader& reader, Lease& lease) noexcept {
  StmNews news = reader.box->newer_than(reader.last.number);
  if (news.version == nullptr) return false;
  lease.version = news.version;
  reader.last = std::move(news);
  return true;
}

bool has_news(const Reader& reader) noexcept {
  return reader.box->newer_than(reader.last.number).version != nullptr;
}

// --- what may raise: no local has a destructor

Writer* check_writer(lua_State* L, int index) {
  auto* writer = static_cast<Writer*>(luaL_checkudata(L, index, kWriterType));
  luaL_argcheck(L, writer->box != nullptr, index, "the writer is released");
  return writer;
}

Reader* check_reader(lua_State* L, int index) {
  auto* reader = static_cast<Reader*>(luaL_checkudata(L, index, kReaderType));
  luaL_argcheck(L, reader->box != nullptr, index, "the reader is released");
  return reader;
}

// A value on its way in: a block that is ours.
struct Value {
  char* block;
  size_t size;
};

// Argument `index`: a string, which is copied, or pointer and size, which are taken over.
Value check_value(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TLIGHTUSERDATA) {
    size_t size = 0;
    const char* const text = luaL_checklstring(L, index, &size);
    char* const copy = base::make_block(size).release();
    if (copy == nullptr) luaL_error(L, "not enough memory");
    std::memcpy(copy, text, size);
    return {copy, size};
  }
  const lua_Integer size = luaL_checkinteger(L, index + 1);
  auto* const block = static_cast<char*>(lua_touserdata(L, index));
  luaL_argcheck(L, size >= 0, index + 1, "the size must not be negative");
  luaL_argcheck(L, block != nullptr || size == 0, index, "a null pointer with a size");
  return {block, static_cast<size_t>(size)};
}

template <class Act>  // bool act(base::Block&, size_t): false when there is no memory
bool hand_over(Value& value, Act act) noexcept {
  base::Block bytes(std::exchange(value.block, nullptr));
  return act(bytes, value.size);
}

// new_writer() behind a pcall: (value) -> writer.
int make_writer(lua_State* L) {
  auto* const value = static_cast<Value*>(lua_touserdata(L, 1));
  auto* const writer = push_object<Writer>(L, kWriterType);
  const bool is_open = hand_over(*value, [writer](base::Block& bytes, size_t size) {
    return open_writer(*writer, bytes, size);
  });
  if (!is_open) return luaL_error(L, "not enough memory");
  return 1;
}

int new_writer(lua_State* L) {
  Value value = check_value(L, 1);
  lua_pushcfunction(L, make_writer);  // an error must not lose the block
  lua_pushlightuserdata(L, &value);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return 1;
  std::free(value.block);
  return lua_error(L);
}

int publish_version(lua_State* L) {
  Writer* const writer = check_writer(L, 1);
  Value value = check_value(L, 2);
  const bool is_published = hand_over(
      value, [writer](base::Block& bytes, size_t size) { return publish(*writer, bytes, size); });
  if (!is_published) return luaL_error(L, "not enough memory");
  return 0;
}

int copy_writer(lua_State* L) {
  const Writer* const writer = check_writer(L, 1);
  const uint64_t id = copies().add(writer->box);
  if (id == 0) {
    return luaL_error(L, "can't copy: no memory, or %d copies wait for newcopy already",
                      static_cast<int>(SharedTable<StmBox>::kWaitingMax));
  }
  push_shared_id(L, id);
  return 1;
}

int new_reader(lua_State* L) {
  const uint64_t id = check_shared_id(L, 1);
  auto* const reader = push_object<Reader>(L, kReaderType);
  if (!open_reader(*reader, id)) {
    return luaL_argerror(L, 1, "no copy, or one that has been taken already");
  }
  return 1;
}

// reader(f, ud)
int read_version(lua_State* L) {
  Reader* const reader = check_reader(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 3);
  if (!has_news(*reader)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  auto* const lease = push_object<Lease>(L, kLeaseType);
  if (!read(*reader, *lease)) {  // the writer went meanwhile
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_pushvalue(L, 2);
  lua_pushlightuserdata(L, lease->version->bytes.get());
  lua_pushinteger(L, static_cast<lua_Integer>(lease->version->size));
  lua_pushvalue(L, 3);
  lua_call(L, 3, LUA_MULTRET);
  *lease = Lease{};
  lua_pushboolean(L, 1);
  lua_replace(L, 4);  // in the lease's place, before the results
  return lua_gettop(L) - 3;
}

void make_type(lua_State* L, const char* type, lua_CFunction call, lua_CFunction clear) {
  luaL_newmetatable(L, type);
  lua_pushcfunction(L, clear);
  lua_setfield(L, -2, "__gc");
  if (call != nullptr) {
    lua_pushcfunction(L, call);
    lua_setfield(L, -2, "__call");
  }
  lua_pop(L, 1);
}

int clear_writer(lua_State* L) {
  return clear_object<Writer>(L, kWriterType);
}
int clear_reader(lua_State* L) {
  return clear_object<Reader>(L, kReaderType);
}
int clear_lease(lua_State* L) {
  return clear_object<Lease>(L, kLeaseType);
}

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_stm(lua_State* L) {
  using namespace skyloom::lua;
  static constexpr luaL_Reg kFunctions[] = {
      {"new", new_writer}, {"copy", copy_writer}, {"newcopy", new_reader}, {nullptr, nullptr}};
  make_type(L, kWriterType, publish_version, clear_writer);
  make_type(L, kReaderType, read_version, clear_reader);
  make_type(L, kLeaseType, nullptr, clear_lease);
  luaL_newlib(L, kFunctions);
  return 1;
}
