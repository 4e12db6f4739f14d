// The sproto schemas of this process. Services know them by numbers, as docs/adr/0023 has it, and
// hand those to each other; a number that was invented finds nothing. Home: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/mutex.hpp"
#include "codec/sproto_schema.hpp"

namespace skyloom::lua {

using SchemaPointer = std::shared_ptr<const codec::SprotoSchema>;  // ADR 0023

struct NumberedSchema {
  uint64_t id = 0;
  SchemaPointer schema;
};

class SprotoSchemas {
 public:
  static constexpr size_t kSlots = 16;
  // Each service may have one of its own; what nobody deletes must not fill the memory.
  static constexpr size_t kCountMax = size_t{1} << 20;

  // 0: no memory, or there are kCountMax.
  uint64_t add(SchemaPointer schema) noexcept;
  // Those that use it keep it.
  void remove(uint64_t id) noexcept;
  // Null: there is no such schema, neither added nor in a slot.
  SchemaPointer find(uint64_t id) const noexcept;
  // False: there is no such schema. What lay in the slot goes.
  bool save(uint64_t id, size_t slot) noexcept;
  // Number 0: the slot is empty.
  NumberedSchema load(size_t slot) const noexcept;

 private:
  mutable base::Mutex mutex_;
  uint64_t next_id_ SKYLOOM_GUARDED_BY(mutex_) = 1;
  std::unordered_map<uint64_t, SchemaPointer> schemas_ SKYLOOM_GUARDED_BY(mutex_);
  std::array<NumberedSchema, kSlots> slots_ SKYLOOM_GUARDED_BY(mutex_);
};

}  // namespace skyloom::lua
