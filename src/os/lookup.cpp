#include "os/lookup.hpp"

#include <errno.h>
#include <netdb.h>
#include <sched.h>

#include <algorithm>

namespace skyloom::os {

using base::Errc;
using base::Error;

base::Result<std::vector<SocketAddress>> lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // one entry per address instead of one per protocol
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failed == EAI_SYSTEM) return Error::from_errno(errno);
  if (failed != 0) return Error::from_resolver(failed);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = SocketAddress::from_kernel(entry->ai_addr, entry->ai_addrlen);
    if (!address) continue;
    if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
  ::freeaddrinfo(list);
  if (addresses.empty()) return Error::of(Errc::kNoAddress);
  return addresses;
}

void stop_preempting() noexcept {
  const sched_param priority{};
  (void)::sched_setscheduler(0, SCHED_BATCH, &priority);  // 0: this thread
}

}  // namespace skyloom::os
