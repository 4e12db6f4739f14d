// skyloom.dns: questions to a DNS server are written, its answers read (codec/dns.hpp). Any lua_
// call below may longjmp: no local has a destructor.
#include "codec/dns.hpp"

#include <array>
#include <cstring>
#include <lua.hpp>

#include "lua/modules/arguments.hpp"
#include "lua/modules/open.hpp"
#include "lua/modules/pointers.hpp"
#include "os/random.hpp"
#include "os/socket_address.hpp"

namespace skyloom::lua {
namespace {

using codec::DnsAnswer;
using codec::DnsName;
using codec::DnsQuestion;
using codec::DnsType;
using codec::DnsVerdict;

DnsType check_type(lua_State* L, int index) {
  static constexpr const char* kTypes[] = {"A", "AAAA", nullptr};
  return luaL_checkoption(L, index, nullptr, kTypes) == 0 ? DnsType::kA : DnsType::kAaaa;
}

DnsName check_name(lua_State* L, int index) {
  const std::optional<DnsName> name = DnsName::parse(check_text(L, index));
  if (!name) luaL_argerror(L, index, "no host name");
  return *name;
}

// is_name(text) -> whether query() takes it.
int is_name(lua_State* L) {
  lua_pushboolean(L, DnsName::parse(check_text(L, 1)).has_value() ? 1 : 0);
  return 1;
}

// Apart, because a SocketAddress must not be alive where Lua may raise. 0: no address.
int read_address(std::string_view text, os::AddressText& usual) noexcept {
  const auto address = os::SocketAddress::parse(text, 0);
  if (!address || text.starts_with('[')) return 0;
  usual = address->ip_text();
  return address->is_v4() ? 4 : 6;
}

// family(text) -> 4 or 6 for a numeric address, and how it is usually written; nil for anything
// else.
int family(lua_State* L) {
  os::AddressText usual;
  const int version = read_address(check_text(L, 1), usual);
  if (version == 0) return 0;
  lua_pushinteger(L, version);
  lua_pushstring(L, usual.c_str());
  return 2;
}

// query(name, "A" or "AAAA") -> packet, id
int query(lua_State* L) {
  DnsQuestion question;
  question.name = check_name(L, 1);
  question.type = check_type(L, 2);
  std::array<char, sizeof question.id> id{};
  if (!os::fill_random(id)) return luaL_error(L, "the system has no random bytes");
  std::memcpy(&question.id, id.data(), id.size());
  std::array<char, codec::kDnsQueryBytesMax> packet{};
  lua_pushlstring(L, packet.data(), codec::put_dns_query(packet.data(), question));
  lua_pushinteger(L, question.id);
  return 2;
}

os::AddressText text_of(const std::array<unsigned char, 16>& bytes, DnsType type) noexcept {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
  const auto address =
      type == DnsType::kA
          ? os::SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v4), sizeof v4)
          : os::SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  return address ? address->ip_text() : os::AddressText();
}

int push_addresses(lua_State* L, const DnsAnswer& answer, DnsType type) {
  lua_pushinteger(L, answer.ttl);
  lua_createtable(L, static_cast<int>(answer.address_count), 0);
  for (size_t index = 0; index < answer.address_count; ++index) {
    lua_pushstring(L, text_of(answer.addresses[index], type).c_str());
    lua_rawseti(L, -2, static_cast<lua_Integer>(index) + 1);
  }
  return 3;
}

int push_alias(lua_State* L, const DnsAnswer& answer) {
  lua_pushinteger(L, answer.ttl);
  std::array<char, codec::kDnsNameBytesMax> text{};
  lua_pushlstring(L, text.data(), answer.alias.text(text.data()));
  return 3;
}

const char* name_of(DnsVerdict verdict) noexcept {
  switch (verdict) {
    case DnsVerdict::kForeign: return "foreign";
    case DnsVerdict::kBroken: return "broken";
    case DnsVerdict::kTruncated: return "truncated";
    case DnsVerdict::kRefused: return "refused";
    case DnsVerdict::kNoName: return "no name";
    case DnsVerdict::kNoAddress: return "no address";
    case DnsVerdict::kAlias: return "alias";
    case DnsVerdict::kAddresses: return "addresses";
  }
  return "broken";
}

// read(packet, id, name, "A" or "AAAA") -> verdict, and then: "refused": the server's code;
// "no name", "no address": seconds that this may be kept; "alias": seconds, name; "addresses":
// seconds, list.
int read(lua_State* L) {
  const std::string_view packet = check_text(L, 1);
  DnsQuestion question;
  question.id = static_cast<uint16_t>(check_range(L, 2, "id", 0, UINT16_MAX));
  question.name = check_name(L, 3);
  question.type = check_type(L, 4);
  const DnsAnswer answer = codec::read_dns_answer(packet, question);
  lua_pushstring(L, name_of(answer.verdict));
  switch (answer.verdict) {
    case DnsVerdict::kForeign:
    case DnsVerdict::kBroken:
    case DnsVerdict::kTruncated: return 1;
    case DnsVerdict::kRefused: lua_pushinteger(L, answer.rcode); return 2;
    case DnsVerdict::kNoName:
    case DnsVerdict::kNoAddress: lua_pushinteger(L, answer.ttl); return 2;
    case DnsVerdict::kAlias: return push_alias(L, answer);
    case DnsVerdict::kAddresses: return push_addresses(L, answer, question.type);
  }
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"is_name", is_name}, {"family", family}, {"query", query}, {"read", read}, {nullptr, nullptr}};

}  // namespace
}  // namespace skyloom::lua

extern "C" int luaopen_skyloom_dns(lua_State* L) {
  luaL_newlib(L, skyloom::lua::kFunctions);
  return 1;
}
