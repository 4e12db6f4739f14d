// Which socket of a simulated network owns which port, by Linux's rules: conflicts, SO_REUSEADDR,
// dual-stack wildcards, ephemeral ports. One object per protocol. Home: SimNetwork's mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "os/socket_address.hpp"
#include "testing/sim_socket.hpp"

namespace skyloom::testing {

// Addresses as the simulation compares them: an IPv4 address in IPv6 form becomes the IPv4 address.
os::SocketAddress canonical(const os::SocketAddress& address) noexcept;
// The address as a socket of `family` shows it; the inverse of canonical().
os::SocketAddress presented(const os::SocketAddress& address, int family) noexcept;
bool is_wildcard(const os::SocketAddress& address) noexcept;
bool is_loopback(const os::SocketAddress& address) noexcept;
os::SocketAddress loopback(int family, uint16_t port) noexcept;
os::SocketAddress wildcard(int family, uint16_t port) noexcept;

struct SimBinding {
  SimId id = kSimNobody;
  os::SocketAddress address;                // canonical, with its port
  std::optional<os::SocketAddress> remote;  // connected datagram sockets hear nobody else
  bool dual_stack = false;                  // an IPv6 wildcard that also hears IPv4
  bool reuse = false;
  bool listening = false;
};

class SimPorts {
 public:
  // Adds a binding; port 0 picks a free one. Returns the port, or nullopt when it is taken.
  std::optional<uint16_t> bind(SimBinding binding);
  // Changes a binding made before; false when another listener is in the way.
  bool start_listening(SimId id, uint16_t port);
  void set_reuse(SimId id, uint16_t port, bool reuse) noexcept;
  void set_remote(SimId id, uint16_t port, const std::optional<os::SocketAddress>& remote);
  void release(SimId id, uint16_t port);

  // Accepted streams keep their listener's port taken after it is gone.
  void add_accepted(const os::SocketAddress& local, bool reuse);
  void release_accepted(const os::SocketAddress& local, bool reuse);

  // kSimNobody when nobody listens there.
  SimId find_listener(const os::SocketAddress& to) const;
  SimId find_datagram(const os::SocketAddress& to, const os::SocketAddress& from) const;

 private:
  SimBinding* find(SimId id, uint16_t port);
  bool is_taken(const SimBinding& binding) const;
  uint16_t pick_port(const SimBinding& binding);

  uint16_t next_ephemeral_ = 0;
  std::unordered_map<uint16_t, std::vector<SimBinding>> bindings_;
  struct Accepted {  // only counted: a listener may have very many
    SimBinding binding;
    size_t count;
  };
  std::unordered_map<uint16_t, std::vector<Accepted>> accepted_;
};

}  // namespace skyloom::testing
