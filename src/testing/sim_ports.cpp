#include "testing/sim_ports.hpp"

#include <cstring>

namespace skyloom::testing {
namespace {

using os::SocketAddress;

inline constexpr uint16_t kEphemeralFirst = 32768;  // Linux: net.ipv4.ip_local_port_range
inline constexpr uint16_t kEphemeralCount = 28232;

bool same_ip(const SocketAddress& a, const SocketAddress& b) noexcept {
  if (a.family() != b.family()) return false;
  if (a.is_v4()) return a.v4().s_addr == b.v4().s_addr;
  return std::memcmp(&a.v6(), &b.v6(), sizeof(in6_addr)) == 0;
}

// Whether a packet to `to` may reach the binding. 0: no; a closer fit has a higher number.
int fit(const SimBinding& binding, const SocketAddress& to) noexcept {
  if (same_ip(binding.address, to)) return 3;
  if (!is_wildcard(binding.address)) return 0;
  if (binding.address.family() == to.family()) return 2;
  return binding.dual_stack && to.is_v4() ? 1 : 0;
}

bool overlap(const SimBinding& a, const SimBinding& b) noexcept {
  if (a.address.family() == b.address.family()) {
    return is_wildcard(a.address) || is_wildcard(b.address) || same_ip(a.address, b.address);
  }
  const SimBinding& v6 = a.address.is_v6() ? a : b;
  return v6.dual_stack && is_wildcard(v6.address);
}

}  // namespace

SocketAddress canonical(const SocketAddress& address) noexcept {
  if (!address.is_v6() || !IN6_IS_ADDR_V4MAPPED(&address.v6())) return address;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(address.port());
  std::memcpy(&v4.sin_addr, address.v6().s6_addr + 12, sizeof v4.sin_addr);
  return *SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
}

SocketAddress presented(const SocketAddress& address, int family) noexcept {
  if (family != AF_INET6 || !address.is_v4()) return address;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port());
  v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(v6.sin6_addr.s6_addr + 12, &address.v4(), sizeof(in_addr));
  return *SocketAddress::from_kernel(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

bool is_wildcard(const SocketAddress& address) noexcept {
  if (address.is_v4()) return address.v4().s_addr == htonl(INADDR_ANY);
  return address.is_v6() && IN6_IS_ADDR_UNSPECIFIED(&address.v6());
}

bool is_loopback(const SocketAddress& address) noexcept {
  if (address.is_v4()) return ntohl(address.v4().s_addr) >> 24 == 127;
  return address.is_v6() && IN6_IS_ADDR_LOOPBACK(&address.v6());
}

SocketAddress loopback(int family, uint16_t port) noexcept {
  return *SocketAddress::parse(family == AF_INET6 ? "::1" : "127.0.0.1", port);
}

SocketAddress wildcard(int family, uint16_t port) noexcept {
  return *SocketAddress::parse(family == AF_INET6 ? "::" : "0.0.0.0", port);
}

bool SimPorts::is_taken(const SimBinding& binding) const {
  const uint16_t port = binding.address.port();
  if (const auto streams = accepted_.find(port); streams != accepted_.end()) {
    for (const auto& [stream, count] : streams->second) {
      if (overlap(binding, stream) && !(binding.reuse && stream.reuse)) return true;
    }
  }
  const auto found = bindings_.find(port);
  if (found == bindings_.end()) return false;
  for (const SimBinding& other : found->second) {
    const bool shared = binding.reuse && other.reuse && !other.listening;
    if (overlap(binding, other) && !shared) return true;
  }
  return false;
}

uint16_t SimPorts::pick_port(const SimBinding& binding) {
  SimBinding candidate = binding;
  candidate.reuse = false;  // a port that is nobody else's at all
  for (uint16_t tried = 0; tried < kEphemeralCount; ++tried) {
    const auto port = static_cast<uint16_t>(kEphemeralFirst + next_ephemeral_);
    next_ephemeral_ = static_cast<uint16_t>((next_ephemeral_ + 1) % kEphemeralCount);
    candidate.address.set_port(port);
    if (!is_taken(candidate)) return port;
  }
  return 0;
}

std::optional<uint16_t> SimPorts::bind(SimBinding binding) {
  if (binding.address.port() == 0) {
    const uint16_t port = pick_port(binding);
    if (port == 0) return std::nullopt;
    binding.address.set_port(port);
  } else if (is_taken(binding)) {
    return std::nullopt;
  }
  const uint16_t port = binding.address.port();
  bindings_[port].push_back(std::move(binding));
  return port;
}

SimBinding* SimPorts::find(SimId id, uint16_t port) {
  const auto found = bindings_.find(port);
  if (found == bindings_.end()) return nullptr;
  for (SimBinding& binding : found->second) {
    if (binding.id == id) return &binding;
  }
  return nullptr;
}

bool SimPorts::start_listening(SimId id, uint16_t port) {
  SimBinding* mine = find(id, port);
  if (mine == nullptr) return false;
  for (const SimBinding& other : bindings_[port]) {
    if (other.id != id && other.listening && overlap(*mine, other)) return false;
  }
  mine->listening = true;
  return true;
}

void SimPorts::set_reuse(SimId id, uint16_t port, bool reuse) noexcept {
  if (SimBinding* binding = find(id, port)) binding->reuse = reuse;
}

void SimPorts::set_remote(SimId id, uint16_t port, const std::optional<SocketAddress>& remote) {
  if (SimBinding* binding = find(id, port)) binding->remote = remote;
}

void SimPorts::release(SimId id, uint16_t port) {
  const auto found = bindings_.find(port);
  if (found == bindings_.end()) return;
  std::erase_if(found->second, [id](const SimBinding& binding) { return binding.id == id; });
  if (found->second.empty()) bindings_.erase(found);
}

void SimPorts::add_accepted(const SocketAddress& local, bool reuse) {
  std::vector<Accepted>& streams = accepted_[local.port()];
  for (auto& [stream, count] : streams) {
    if (!same_ip(stream.address, local) || stream.reuse != reuse) continue;
    ++count;
    return;
  }
  Accepted first{.binding = {}, .count = 1};
  first.binding.address = local;
  first.binding.reuse = reuse;
  streams.push_back(first);
}

void SimPorts::release_accepted(const SocketAddress& local, bool reuse) {
  const auto found = accepted_.find(local.port());
  if (found == accepted_.end()) return;
  for (auto& [stream, count] : found->second) {
    if (same_ip(stream.address, local) && stream.reuse == reuse) --count;
  }
  std::erase_if(found->second, [](const Accepted& streams) { return streams.count == 0; });
  if (found->second.empty()) accepted_.erase(found);
}

SimId SimPorts::find_listener(const SocketAddress& to) const {
  const auto found = bindings_.find(to.port());
  if (found == bindings_.end()) return kSimNobody;
  SimId best = kSimNobody;
  int best_fit = 0;
  for (const SimBinding& binding : found->second) {
    const int own = binding.listening ? fit(binding, to) : 0;
    if (own <= best_fit) continue;
    best = binding.id;
    best_fit = own;
  }
  return best;
}

SimId SimPorts::find_datagram(const SocketAddress& to, const SocketAddress& from) const {
  const auto found = bindings_.find(to.port());
  if (found == bindings_.end()) return kSimNobody;
  SimId best = kSimNobody;
  int best_fit = 0;
  for (const SimBinding& binding : found->second) {
    int own = fit(binding, to);
    if (own == 0 || (binding.remote && *binding.remote != from)) continue;
    if (binding.remote) own += 4;  // connected to this very sender
    if (own < best_fit) continue;  // of equals the youngest, as on Linux
    best = binding.id;
    best_fit = own;
  }
  return best;
}

}  // namespace skyloom::testing
