// Addresses from people (texts), from the kernel (structs) and from users of UDP (strings of
// bytes): what is taken can be printed and taken again and is the same; nothing else is taken.
// Input: which kind, then the bytes.
#include <arpa/inet.h>

#include <cstring>
#include <string>
#include <vector>

#include "fuzz/input.hpp"
#include "net/udp_address.hpp"
#include "os/socket_address.hpp"

namespace {

using skyloom::fuzz::Input;
using skyloom::net::kUdpAddressBytesMax;
using skyloom::os::SocketAddress;

// The address as text and as the bytes that UDP users hold; neither knows an IPv6 scope.
void require_round_trips(const SocketAddress& address) {
  FUZZ_REQUIRE(address.is_v4() || address.is_v6());
  FUZZ_REQUIRE(address.size() == (address.is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)));
  const std::string ip = address.ip();
  FUZZ_REQUIRE(!ip.empty());
  FUZZ_REQUIRE(address.to_string() == ip + ":" + std::to_string(address.port()));
  const auto again = SocketAddress::parse(ip, address.port());
  FUZZ_REQUIRE(again.has_value());
  FUZZ_REQUIRE(again->to_string() == address.to_string());
  if (address.is_v6()) {
    const auto in_brackets = SocketAddress::parse("[" + ip + "]", address.port());
    FUZZ_REQUIRE(in_brackets.has_value() && *in_brackets == *again);
  }
  std::array<char, kUdpAddressBytesMax> bytes;
  const size_t size = skyloom::net::put_udp_address(address, bytes);
  FUZZ_REQUIRE(size == (address.is_v4() ? 7u : 19u));
  const auto from_bytes = skyloom::net::parse_udp_address({bytes.data(), size});
  FUZZ_REQUIRE(from_bytes.has_value() && *from_bytes == *again);
}

// A text is an IPv4 address exactly when inet_pton says so, and an IPv6 one as well, scope apart.
void try_text(Input input) {
  const uint16_t port = input.number();
  const std::string text(input.rest());
  const auto address = SocketAddress::parse(text, port);
  if (text.find_first_of(std::string_view("[]%\0", 4)) == std::string::npos) {
    in6_addr any{};
    const bool is_v4 = ::inet_pton(AF_INET, text.c_str(), &any) == 1;
    const bool is_v6 = ::inet_pton(AF_INET6, text.c_str(), &any) == 1;
    FUZZ_REQUIRE(address.has_value() == (is_v4 || is_v6));
    FUZZ_REQUIRE(!address || address->is_v6() == is_v6);
  }
  if (!address) return;
  FUZZ_REQUIRE(text.find('\0') == std::string::npos);
  FUZZ_REQUIRE(address->port() == port);
  require_round_trips(*address);
}

void try_udp_bytes(Input input) {
  const std::vector<char> bytes(input.rest().begin(), input.rest().end());
  const auto address = skyloom::net::parse_udp_address(bytes);
  const bool is_well_formed =
      (bytes.size() == 7 && bytes[0] == 1) || (bytes.size() == 19 && bytes[0] == 2);
  FUZZ_REQUIRE(address.has_value() == is_well_formed);
  if (!address) return;
  require_round_trips(*address);
  std::array<char, kUdpAddressBytesMax> again;
  const size_t size = skyloom::net::put_udp_address(*address, again);
  FUZZ_REQUIRE(std::vector<char>(again.begin(), again.begin() + static_cast<long>(size)) == bytes);
}

void try_kernel_struct(Input input) {
  sockaddr_storage storage{};
  const std::string_view bytes = input.take(sizeof storage);
  std::memcpy(&storage, bytes.data(), bytes.size());
  // A heap block of exactly that size, so that a read beyond it is seen.
  const std::vector<sockaddr_storage> keeper(1, storage);
  const auto* given = reinterpret_cast<const sockaddr*>(keeper.data());
  const auto address = SocketAddress::from_kernel(given, static_cast<socklen_t>(bytes.size()));
  const bool is_v4 = storage.ss_family == AF_INET && bytes.size() >= sizeof(sockaddr_in);
  const bool is_v6 = storage.ss_family == AF_INET6 && bytes.size() >= sizeof(sockaddr_in6);
  FUZZ_REQUIRE(!(is_v4 || is_v6) || address.has_value());
  if (is_v4 || is_v6) require_round_trips(*address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  switch (input.byte() % 3) {
    case 0: try_text(input); break;
    case 1: try_udp_bytes(input); break;
    case 2: try_kernel_struct(input); break;
  }
  return 0;
}
