#include "net/admission.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/memory.hpp"

namespace skyloom::net {
namespace {

constexpr std::array<unsigned char, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// nullopt: a peer without an address of its own (a unix socket).
std::optional<std::array<unsigned char, 16>> ip_of(const os::SocketAddress& peer) noexcept {
  std::array<unsigned char, 16> ip;
  if (peer.is_v6()) {
    std::memcpy(ip.data(), &peer.v6(), ip.size());
    return ip;
  }
  if (!peer.is_v4()) return std::nullopt;
  std::memcpy(ip.data(), kMappedPrefix.data(), kMappedPrefix.size());
  std::memcpy(ip.data() + kMappedPrefix.size(), &peer.v4(), sizeof(in_addr));
  return ip;
}

}  // namespace

size_t AddressCounts::Hash::operator()(const Key& key) const noexcept {
  const std::string_view ip(reinterpret_cast<const char*>(key.ip.data()), key.ip.size());
  return std::hash<std::string_view>{}(ip) ^ std::hash<const void*>{}(key.scope);
}

AddressCounts::Entry* AddressCounts::take(const Key& key, uint64_t max) noexcept {
  base::MutexLock lock(mutex_);
  Entry* entry = nullptr;
  const auto insert = [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
    entry = &*counts_.try_emplace(key, 0).first;
  };
  if (!base::try_allocate(insert)) return nullptr;
  if (entry->second >= max) return nullptr;
  ++entry->second;
  return entry;
}

void AddressCounts::give_back(Entry& entry) noexcept {
  base::MutexLock lock(mutex_);
  if (--entry.second == 0) counts_.erase(counts_.find(entry.first));
}

size_t AddressCounts::entries() noexcept {
  base::MutexLock lock(mutex_);
  return counts_.size();
}

ListeningPtr::ListeningPtr(const ListeningPtr& other) noexcept : it_(other.it_) {
  // `other` keeps it alive meanwhile.
  if (it_ != nullptr) it_->holders.fetch_add(1, std::memory_order_relaxed);
}

ListeningPtr ListeningPtr::make(AddressCounts& addresses, const ConnectionLimits& of_all,
                                const std::optional<ConnectionLimits>& its_own) noexcept {
  ListeningPtr made;
  made.it_ = base::try_make_unique<Listening>(addresses, of_all, its_own).release();
  return made;
}

void ListeningPtr::reset() noexcept {
  Listening* const it = std::exchange(it_, nullptr);
  // The last holder sees what the others did with it: each release pairs with its acquire.
  if (it == nullptr || it->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::unique_ptr<Listening> last(it);
}

Admission::Admission(Admission&& other) noexcept
    : listening_(std::move(other.listening_)), address_(std::exchange(other.address_, nullptr)) {}

Admission& Admission::operator=(Admission&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  listening_ = std::move(other.listening_);
  address_ = std::exchange(other.address_, nullptr);
  return *this;
}

Admission::Verdict Admission::take(const ListeningPtr& listening,
                                   const os::SocketAddress& peer) noexcept {
  Verdict verdict = take(listening);
  if (verdict == Verdict::kWelcome) verdict = take_address(peer);
  if (verdict != Verdict::kWelcome) give_back();
  return verdict;
}

Admission::Verdict Admission::take(const ListeningPtr& listening) noexcept {
  const ConnectionLimits& limits = listening->limits;
  if (limits.connections_max == 0 && limits.per_address_max == 0 && !listening->has_own_limits) {
    return Verdict::kWelcome;  // nothing to remember
  }
  // Only the listener's turn adds, so that this bound is exact; ends come from any shard.
  if (limits.connections_max != 0 &&
      listening->connections.load(std::memory_order_relaxed) >= limits.connections_max) {
    return Verdict::kListenerFull;
  }
  listening_ = listening;
  listening->connections.fetch_add(1, std::memory_order_relaxed);  // as above
  return Verdict::kWelcome;
}

Admission::Verdict Admission::take_address(const os::SocketAddress& peer) noexcept {
  if (!listening_ || listening_->limits.per_address_max == 0) return Verdict::kWelcome;
  const auto ip = ip_of(peer);
  if (!ip) return Verdict::kWelcome;
  const void* scope = listening_->counts_apart ? listening_.get() : nullptr;
  address_ = listening_->addresses.take({*ip, scope}, listening_->limits.per_address_max);
  return address_ == nullptr ? Verdict::kAddressFull : Verdict::kWelcome;
}

void Admission::give_back() noexcept {
  if (!listening_) return;
  if (address_ != nullptr) listening_->addresses.give_back(*std::exchange(address_, nullptr));
  listening_->connections.fetch_sub(1, std::memory_order_relaxed);  // only a bound
  listening_.reset();
}

}  // namespace skyloom::net
