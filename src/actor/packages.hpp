// Payloads that several mailboxes hold at once (skynet.multicast): what lies in a kTypeMulticast
// message is the number of one, so that a number that somebody made up finds nothing
// (docs/adr/0023). Home: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "actor/message.hpp"
#include "base/bytes.hpp"
#include "base/mutex.hpp"

namespace skyloom::actor {

struct PackageBytes {
  base::Block data;
  size_t size = 0;
};
// Whoever reads the bytes has one, whatever becomes of the number meanwhile.
using PackagePointer = std::shared_ptr<const PackageBytes>;  // ADR 0023

class Packages {
 public:
  // So many may be under way: what nobody closes must not fill the memory.
  static constexpr size_t kUnderWayMax = 1 << 20;

  // With one reference. 0: no memory, or kUnderWayMax are under way; `block` is the caller's then.
  uint64_t add(base::Block& block, size_t size) noexcept;
  // Null: there is no such package.
  PackagePointer find(uint64_t id) noexcept;
  // How often it will be closed from now on; 0 closes it. False: there is no such package.
  bool set_references(uint64_t id, uint32_t count) noexcept;
  bool close(uint64_t id) noexcept;

  // The block in which a package's number goes to multicastd as a pointer. It is looked up before
  // it is read: a script can send any pointer. False: no memory.
  bool add_letter(const void* letter, uint64_t id) noexcept;
  // The number of the package, once; 0: no such letter. The block is the caller's then.
  uint64_t take_letter(const void* letter) noexcept;

 private:
  struct Package {
    PackagePointer bytes;
    uint32_t references = 1;
  };

  base::Mutex mutex_;
  uint64_t next_id_ SKYLOOM_GUARDED_BY(mutex_) = 1;
  std::unordered_map<uint64_t, Package> packages_ SKYLOOM_GUARDED_BY(mutex_);
  std::unordered_map<const void*, uint64_t> letters_ SKYLOOM_GUARDED_BY(mutex_);
};

// One for the process: services of all workers meet here.
Packages& packages() noexcept;

// Closes what a message that nobody will read holds.
void close_package_of(const RawMessage& message) noexcept;

}  // namespace skyloom::actor
