// Versions of a value that one service publishes and others read (module skynet.stm). Nothing here
// knows Lua. Home: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/mutex.hpp"

namespace skyloom::lua {

struct StmVersion {
  base::Block bytes;
  size_t size = 0;
};
using StmVersionPointer = std::shared_ptr<const StmVersion>;  // ADR 0023

struct StmNews {
  StmVersionPointer version;
  uint64_t number = 0;
};

// Where the newest version lies. Readers keep those that they look at.
class StmBox {
 public:
  // Takes `bytes`, unless there is no memory (false).
  [[nodiscard]] bool publish(base::Block& bytes, size_t size) noexcept;
  // The writer is gone: there is nothing new any more.
  void close() noexcept;
  // No version: `seen` is the newest, or the writer is gone.
  StmNews newer_than(uint64_t seen) const noexcept;

 private:
  mutable base::Mutex mutex_;
  StmVersionPointer current_ SKYLOOM_GUARDED_BY(mutex_);
  uint64_t number_ SKYLOOM_GUARDED_BY(mutex_) = 0;  // of `current_`, from 1 on
};

}  // namespace skyloom::lua
