// Who may come in: what a listener allows, and how many it has let in. Every accepted connection
// that is counted somewhere holds an Admission, which gives its place back when it ends.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/mutex.hpp"
#include "net/limits.hpp"
#include "net/socket_options.hpp"
#include "os/socket_address.hpp"

namespace skyloom::net {

// Living connections by the address of their peer, over all shards. An entry lives as long as its
// count is not 0. Any thread.
class AddressCounts {
 public:
  struct Key {
    std::array<unsigned char, 16> ip;  // IPv4 as an IPv4-mapped IPv6 address
    const void* scope;                 // null: the whole network; else one listener's own count
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const noexcept;
  };
  using Entry = std::pair<const Key, uint64_t>;

  // One more, or null when there are `max` already, or no memory to count with.
  Entry* take(const Key& key, uint64_t max) noexcept;
  void give_back(Entry& entry) noexcept;
  size_t entries() noexcept;

 private:
  base::Mutex mutex_;
  std::unordered_map<Key, uint64_t, Hash> counts_ SKYLOOM_GUARDED_BY(mutex_);
};

// What a listener and its connections have in common; lives as long as the last of them.
struct Listening {
  Listening(AddressCounts& of_network, const ConnectionLimits& of_all,
            const std::optional<ConnectionLimits>& its_own) noexcept
      : addresses(of_network),
        limits(its_own.value_or(of_all)),
        has_own_limits(its_own.has_value()),
        counts_apart(limits.per_address_max != of_all.per_address_max) {}

  AddressCounts& addresses;
  const ConnectionLimits limits;
  const bool has_own_limits;             // else they are the network's
  const bool counts_apart;               // has a per_address_max of its own
  std::atomic<uint64_t> connections{0};  // only a bound is checked against it
  std::atomic<uint64_t> holders{1};      // ListeningPtr
  // Set before anybody else knows it.
  GreetingRules greeting{};
  uint64_t file = 0;  // identity of a unix socket's file; 0: none
  // The listener's turn.
  int64_t second_began_ms = 0;  // accept_rate counts from here
  uint64_t accepted_in_second = 0;
  int64_t rest_until_ms = 0;              // 0: it does not rest
  int64_t rest_ms = 0;                    // for how long last time
  int64_t lack_told_ms = INT64_MIN / 2;   // when the owner last heard of a lack of descriptors
  int64_t error_told_ms = INT64_MIN / 2;  // when the log last heard that accepting fails
};

// A share of a Listening, or null. The last one deletes it.
class ListeningPtr {
 public:
  ListeningPtr() = default;
  ListeningPtr(const ListeningPtr& other) noexcept;
  ListeningPtr(ListeningPtr&& other) noexcept : it_(std::exchange(other.it_, nullptr)) {}
  ListeningPtr& operator=(ListeningPtr other) noexcept {
    std::swap(it_, other.it_);
    return *this;
  }
  ~ListeningPtr() { reset(); }
  // Null without memory. `its_own` replace the limits `of_all` listeners of the network.
  static ListeningPtr make(AddressCounts& addresses, const ConnectionLimits& of_all,
                           const std::optional<ConnectionLimits>& its_own) noexcept;

  void reset() noexcept;
  Listening* get() const noexcept { return it_; }
  Listening* operator->() const noexcept { return it_; }
  Listening& operator*() const noexcept { return *it_; }
  explicit operator bool() const noexcept { return it_ != nullptr; }

 private:
  Listening* it_ = nullptr;
};

// A connection's place in the counts of its listener. Empty: it is counted nowhere.
class Admission {
 public:
  enum class Verdict : uint8_t { kWelcome, kListenerFull, kAddressFull };

  Admission() = default;
  Admission(Admission&& other) noexcept;
  Admission& operator=(Admission&& other) noexcept;
  ~Admission() { give_back(); }

  // Into an empty one, for a connection from `peer`. Not welcome: nothing is counted.
  Verdict take(const ListeningPtr& listening, const os::SocketAddress& peer) noexcept;
  // The same in two steps, when it is known later who the peer is. Not welcome: nothing changes.
  Verdict take(const ListeningPtr& listening) noexcept;
  Verdict take_address(const os::SocketAddress& peer) noexcept;
  void give_back() noexcept;
  // The limits that its listener brought along, or null.
  const ConnectionLimits* limits() const noexcept {
    return listening_ ? &listening_->limits : nullptr;
  }

 private:
  ListeningPtr listening_;
  AddressCounts::Entry* address_ = nullptr;
};

}  // namespace skyloom::net
