// skynet.cluster.core (contract 5.2): the packets of a cluster for scripts. Payloads from other
// nodes hold no pointers when they leave here (D-64). Any lua_ call below may longjmp: no local has
// a destructor, and blocks that a call has taken are freed before it raises.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/bytes.hpp"
#include "codec/cluster_packet.hpp"
#include "codec/packed_pointer.hpp"
#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "os/process_name.hpp"

namespace skyloom::lua {
namespace {

using codec::ClusterAnswer;
using codec::ClusterAnswerKind;
using codec::ClusterRequest;
using codec::ClusterRequestKind;
using codec::ClusterWants;
using codec::kClusterPartBytes;

// A string, or a pointer and its size. Raises for anything else: nothing has been taken then.
std::string_view check_bytes(lua_State* L, int index) {
  if (lua_type(L, index) == LUA_TSTRING) return check_text(L, index);
  const PointedBytes bytes = check_pointed(L, index);
  return {bytes.data, bytes.size};
}

// The block of an argument that belongs to the call; a string stays Lua's.
void* block_at(lua_State* L, int index) {
  return lua_islightuserdata(L, index) ? lua_touserdata(L, index) : nullptr;
}

// --- requests, to be sent

struct Outgoing {
  codec::ClusterAddress address;
  ClusterWants wants = ClusterWants::kAnswer;
  uint32_t session = 0;
  std::string_view payload;
};

// Packs head and payload into one string.
template <class WriteHead>
void push_packet(lua_State* L, std::string_view payload, const WriteHead& write_head) {
  luaL_Buffer buffer;
  char* const room = luaL_buffinitsize(L, &buffer, codec::kClusterHeadBytesMax + payload.size());
  const size_t head = write_head(room);
  if (!payload.empty()) std::memcpy(room + head, payload.data(), payload.size());
  luaL_pushresultsize(&buffer, head + payload.size());
}

// The part of `payload` that begins at `offset`.
std::string_view part_at(std::string_view payload, size_t offset) {
  return payload.substr(offset, kClusterPartBytes);
}

// A table behind `count` fields already set, with a packet for each part of the payload.
template <class WriteHead>
void add_parts(lua_State* L, std::string_view payload, lua_Integer count,
               const WriteHead& write_head) {
  for (size_t offset = 0; offset < payload.size(); offset += kClusterPartBytes) {
    const std::string_view part = part_at(payload, offset);
    const bool is_last = offset + part.size() == payload.size();
    push_packet(L, part, [&](char* into) { return write_head(is_last, part.size(), into); });
    lua_rawseti(L, -2, ++count);
  }
}

int parts_of(std::string_view payload) {
  return static_cast<int>((payload.size() + kClusterPartBytes - 1) / kClusterPartBytes);
}

// (out) -> packet, next session [, parts]
int push_request(lua_State* L) {
  const auto& out = *static_cast<const Outgoing*>(lua_touserdata(L, 1));
  const size_t size = out.payload.size();
  const bool is_large = codec::is_large_cluster_request(size);
  push_packet(L, is_large ? std::string_view() : out.payload, [&](char* into) {
    return codec::write_cluster_request(out.address, out.wants, out.session, size, into);
  });
  lua_pushinteger(L, out.session == codec::kClusterSessionMax ? 1 : lua_Integer{out.session} + 1);
  if (!is_large) return 2;
  lua_createtable(L, parts_of(out.payload), 0);
  add_parts(L, out.payload, 0, [&](bool is_last, size_t bytes, char* into) {
    const auto kind = is_last ? ClusterRequestKind::kLastPart : ClusterRequestKind::kPart;
    return codec::write_cluster_part(kind, out.session, bytes, into);
  });
  return 3;
}

// What is wrong with address, session or size, as the format of an error about that argument; null:
// nothing. Must not raise: the payload has been taken.
const char* read_target(lua_State* L, Outgoing& out) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    out.address.name = check_text(L, 1);
    if (out.address.name.empty() || out.address.name.size() > codec::kClusterNameBytesMax) {
      return "Invalid address: a name has 1 to 255 bytes";
    }
  } else {
    int is_integer = 0;
    const lua_Integer number = lua_tointegerx(L, 1, &is_integer);
    if (is_integer == 0 || number < 0 || number > UINT32_MAX) {
      return "Invalid address: must be a name or a handle of 32 bits";
    }
    out.address.number = static_cast<uint32_t>(number);
  }
  int is_integer = 0;
  const lua_Integer session = lua_tointegerx(L, 2, &is_integer);
  if (is_integer == 0 || session < 1 || session > codec::kClusterSessionMax) {
    return "Invalid request session: must be 1 to 2147483647";
  }
  out.session = static_cast<uint32_t>(session);
  if (out.payload.size() > codec::kClusterTotalBytesMax) return "A request of more than 4 GiB";
  return nullptr;
}

int pack(lua_State* L, ClusterWants wants) {
  Outgoing out{.wants = wants, .payload = check_bytes(L, 3)};
  lua_settop(L, 4);
  const char* const fault = read_target(L, out);
  const bool is_packed = fault == nullptr && call_protected(L, push_request, &out, LUA_MULTRET);
  std::free(block_at(L, 3));
  if (fault != nullptr) return luaL_error(L, "%s", fault);
  return is_packed ? lua_gettop(L) - 4 : lua_error(L);
}

int packrequest(lua_State* L) {
  return pack(L, ClusterWants::kAnswer);
}

int packpush(lua_State* L) {
  return pack(L, ClusterWants::kNothing);
}

int packtrace(lua_State* L) {
  const std::string_view tag = check_text(L, 1);
  if (tag.size() > kClusterPartBytes) {
    return luaL_error(L, "A trace tag of %I bytes: the limit is %d",
                      static_cast<LUAI_UACINT>(tag.size()), static_cast<int>(kClusterPartBytes));
  }
  push_packet(L, tag, [&](char* into) { return codec::write_cluster_trace(tag.size(), into); });
  return 1;
}

// --- requests that came

// -> pointer, size: a copy that is the script's.
int push_copy(lua_State* L, std::string_view bytes) {
  char* const block = base::make_block(bytes.size()).release();
  if (block == nullptr) return no_memory(L);
  if (!bytes.empty()) std::memcpy(block, bytes.data(), bytes.size());
  lua_pushlightuserdata(L, block);
  lua_pushinteger(L, static_cast<lua_Integer>(bytes.size()));
  return 2;
}

void push_address(lua_State* L, const codec::ClusterAddress& address) {
  if (address.name.empty()) {
    lua_pushinteger(L, address.number);
  } else {
    lua_pushlstring(L, address.name.data(), address.name.size());
  }
}

// addr, session, ptr, sz [, false, true]; ptr is nil where the payload holds a pointer.
int push_whole(lua_State* L, const ClusterRequest& request) {
  push_address(L, request.address);
  lua_pushinteger(L, request.session);
  if (codec::holds_packed_pointer(request.payload)) {
    lua_pushnil(L);
    lua_pushinteger(L, 0);
  } else {
    push_copy(L, request.payload);
  }
  if (request.session != 0) return 4;
  lua_pushboolean(L, 0);
  lua_pushboolean(L, 1);
  return 6;
}

// addr, session, nil, total size, true, is_push
int push_large(lua_State* L, const ClusterRequest& request) {
  push_address(L, request.address);
  lua_pushinteger(L, request.session);
  lua_pushnil(L);
  lua_pushinteger(L, request.total);
  lua_pushboolean(L, 1);
  lua_pushboolean(L, static_cast<int>(request.kind == ClusterRequestKind::kLargePush));
  return 6;
}

// false, session, ptr, sz, are there more
int push_part(lua_State* L, const ClusterRequest& request) {
  lua_pushboolean(L, 0);
  lua_pushinteger(L, request.session);
  push_copy(L, request.payload);
  lua_pushboolean(L, static_cast<int>(request.kind == ClusterRequestKind::kPart));
  return 5;
}

int unpackrequest(lua_State* L) {
  const auto parsed = codec::parse_cluster_request(check_bytes(L, 1));
  if (!parsed.ok()) return luaL_error(L, "Invalid cluster packet: %s", parsed.error());
  const ClusterRequest& request = parsed.value();
  switch (request.kind) {
    case ClusterRequestKind::kWhole: return push_whole(L, request);
    case ClusterRequestKind::kLarge:
    case ClusterRequestKind::kLargePush: return push_large(L, request);
    case ClusterRequestKind::kPart:
    case ClusterRequestKind::kLastPart: return push_part(L, request);
    case ClusterRequestKind::kTrace:
      lua_pushlstring(L, request.payload.data(), request.payload.size());
      return 1;
  }
  return 0;
}

// --- what comes in parts: a table of the announced size and the parts as strings

constexpr const char* kReceived = "received";  // its field with the bytes so far

struct Part {
  std::string_view bytes;
  bool is_too_much = false;
};

// (table, part): appends it, unless it is more than what was announced.
int append_part(lua_State* L) {
  auto& part = *static_cast<Part*>(lua_touserdata(L, 2));
  lua_getfield(L, 1, kReceived);
  lua_rawgeti(L, 1, 1);
  const lua_Integer received = lua_tointeger(L, -2) + static_cast<lua_Integer>(part.bytes.size());
  part.is_too_much = received > lua_tointeger(L, -1);
  if (part.is_too_much) return 0;
  lua_pushinteger(L, received);
  lua_setfield(L, 1, kReceived);
  lua_pushlstring(L, part.bytes.data(), part.bytes.size());
  lua_rawseti(L, 1, static_cast<lua_Integer>(lua_rawlen(L, 1)) + 1);
  return 0;
}

int append(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_isnil(L, 2)) {
    lua_pushinteger(L, check_range(L, 3, "size", 0, codec::kClusterTotalBytesMax));
    lua_rawseti(L, 1, static_cast<lua_Integer>(lua_rawlen(L, 1)) + 1);
    return 0;
  }
  const PointedBytes block = check_pointed(L, 2);
  lua_settop(L, 3);
  Part part{.bytes = {block.data, block.size}};
  lua_pushcfunction(L, append_part);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, &part);
  const int status = lua_pcall(L, 2, 0, 0);
  std::free(block.data);
  if (status != LUA_OK) return lua_error(L);
  return part.is_too_much ? luaL_error(L, "more bytes than were announced") : 0;
}

// The string at `place` of the table at index 1, which keeps it; nothing when it is none.
std::string_view part_of(lua_State* L, lua_Integer place) {
  std::string_view part;
  if (lua_rawgeti(L, 1, place) == LUA_TSTRING) part = check_text(L, -1);
  lua_pop(L, 1);
  return part;
}

// Bytes of the parts in all.
uint64_t size_of_parts(lua_State* L, lua_Integer count) {
  uint64_t size = 0;
  for (lua_Integer place = 2; place <= count; ++place) size += part_of(L, place).size();
  return size;
}

// -> pointer, size; nothing when they are not what was announced.
int concat(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const auto count = static_cast<lua_Integer>(lua_rawlen(L, 1));
  lua_rawgeti(L, 1, 1);
  const lua_Integer announced = lua_tointeger(L, -1);
  if (lua_isinteger(L, -1) == 0 || announced < 0) return 0;
  const auto size = static_cast<uint64_t>(announced);
  if (size_of_parts(L, count) != size) return 0;
  char* const block = base::make_block(size).release();
  if (block == nullptr) return no_memory(L);
  char* at = block;
  for (lua_Integer place = 2; place <= count; ++place) {
    const std::string_view part = part_of(L, place);
    at = std::copy(part.begin(), part.end(), at);
  }
  if (codec::holds_packed_pointer({block, size})) {
    std::free(block);
    return 0;
  }
  lua_pushlightuserdata(L, block);
  lua_pushinteger(L, announced);
  return 2;
}

// --- answers

// A whole answer, or what begins a large one.
void push_answer(lua_State* L, ClusterAnswerKind kind, uint32_t session, std::string_view payload) {
  const std::string_view behind = kind == ClusterAnswerKind::kLarge ? std::string_view() : payload;
  push_packet(L, behind, [&](char* into) {
    return codec::write_cluster_answer(kind, session, payload.size(), into);
  });
}

// packresponse(session, ok, ptr, sz or string): the payload stays the caller's, who has it from
// rawcall() and will not free it either.
int packresponse(lua_State* L) {
  const auto session = static_cast<uint32_t>(check_range(L, 1, "session", 0, UINT32_MAX));
  const bool is_ok = lua_toboolean(L, 2) != 0;
  const std::string_view payload = lua_isnoneornil(L, 3) ? std::string_view() : check_bytes(L, 3);
  if (!is_ok) {
    push_answer(L, ClusterAnswerKind::kError, session, payload.substr(0, kClusterPartBytes));
    return 1;
  }
  if (!codec::is_large_cluster_answer(payload.size())) {
    push_answer(L, ClusterAnswerKind::kWhole, session, payload);
    return 1;
  }
  if (payload.size() > codec::kClusterTotalBytesMax) {
    return luaL_error(L, "An answer of more than 4 GiB");
  }
  lua_createtable(L, parts_of(payload) + 1, 0);
  push_answer(L, ClusterAnswerKind::kLarge, session, payload);
  lua_rawseti(L, -2, 1);
  add_parts(L, payload, 1, [&](bool is_last, size_t bytes, char* into) {
    const auto kind = is_last ? ClusterAnswerKind::kLastPart : ClusterAnswerKind::kPart;
    return codec::write_cluster_answer(kind, session, bytes, into);
  });
  return 1;
}

int push_received(lua_State* L, const ClusterAnswer& answer) {
  const bool is_refused =
      answer.kind == ClusterAnswerKind::kWhole && codec::holds_packed_pointer(answer.payload);
  lua_pushinteger(L, answer.session);
  lua_pushboolean(L, static_cast<int>(answer.kind != ClusterAnswerKind::kError && !is_refused));
  if (answer.kind == ClusterAnswerKind::kLarge) {
    lua_pushinteger(L, answer.total);
  } else if (is_refused) {
    lua_pushliteral(L, "The answer holds a pointer");
  } else {
    lua_pushlstring(L, answer.payload.data(), answer.payload.size());
  }
  if (answer.kind != ClusterAnswerKind::kLarge && answer.kind != ClusterAnswerKind::kPart) return 3;
  lua_pushboolean(L, 1);
  return 4;
}

// unpackresponse(s) -> session, ok, data [, are there more]
int unpackresponse(lua_State* L) {
  const auto parsed = codec::parse_cluster_answer(check_bytes(L, 1));
  if (!parsed.ok()) return luaL_error(L, "Invalid cluster packet: %s", parsed.error());
  return push_received(L, parsed.value());
}

// ---

int isname(lua_State* L) {
  lua_pushboolean(
      L, static_cast<int>(lua_type(L, 1) == LUA_TSTRING && check_text(L, 1).starts_with('@')));
  return 1;
}

int nodename(lua_State* L) {
  lua_pushstring(L, os::process_name().c_str());
  return 1;
}

constexpr luaL_Reg kFunctions[] = {{"packrequest", packrequest},
                                   {"packpush", packpush},
                                   {"packtrace", packtrace},
                                   {"unpackrequest", unpackrequest},
                                   {"append", append},
                                   {"concat", concat},
                                   {"packresponse", packresponse},
                                   {"unpackresponse", unpackresponse},
                                   {"isname", isname},
                                   {"nodename", nodename},
                                   {nullptr, nullptr}};

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skynet_cluster_core(lua_State* L) {
  luaL_newlib(L, skyloom::lua::kFunctions);
  return 1;
}
