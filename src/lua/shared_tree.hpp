// Tables outside of Lua: what one service builds once and all read (skynet.sharedata, sharetable
// and datasheet stand on it). Knows no Lua. A tree never changes after it is built, so that any
// thread may read it without a lock; whoever reads holds a SharedTreePointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace skyloom::lua {

enum class SharedKind : uint8_t { kNil, kFalse, kTrue, kInteger, kReal, kString, kPointer, kTable };

// A scalar, or the number of a string or a table of the same tree. As a key it is compared by both
// members: a real that is a whole number must be given as an integer, as Lua's tables do it.
struct SharedValue {
  uint64_t bits = 0;
  SharedKind kind = SharedKind::kNil;

  friend bool operator==(const SharedValue&, const SharedValue&) = default;
};

SharedValue shared_boolean(bool value) noexcept;
SharedValue shared_integer(int64_t value) noexcept;
SharedValue shared_real(double value) noexcept;
SharedValue shared_pointer(const void* value) noexcept;
SharedValue shared_table(uint32_t number) noexcept;
int64_t integer_of(const SharedValue& value) noexcept;
double real_of(const SharedValue& value) noexcept;

struct SharedPair {
  SharedValue key;
  SharedValue value;
};

class SharedTree {
 public:
  // Readers follow a tree by recursion.
  static constexpr uint32_t kDepthMax = 200;
  // Its numbers of tables and the number of the tree share one light userdata (shared_objects.hpp).
  static constexpr uint32_t kTablesMax = uint32_t{1} << 24;
  static constexpr uint32_t kRoot = 0;

  uint32_t tables() const noexcept { return static_cast<uint32_t>(tables_.size()); }
  // Of the part that is indexed from 1 on.
  uint32_t length(uint32_t table) const noexcept { return tables_[table].items; }
  uint32_t pairs(uint32_t table) const noexcept { return tables_[table].pairs; }
  bool has_tables(uint32_t table) const noexcept { return tables_[table].has_tables; }
  std::string_view text(const SharedValue& string) const noexcept;
  size_t bytes() const noexcept;

  // Nil: there is none.
  SharedValue find(uint32_t table, const SharedValue& key) const noexcept;
  SharedValue find(uint32_t table, std::string_view key) const noexcept;

  // The entries in the order in which they were added, items first: from position 0 on to
  // length + pairs - 1. An item may be nil, as in a Lua table with holes.
  uint32_t entries(uint32_t table) const noexcept { return length(table) + pairs(table); }
  SharedPair entry(uint32_t table, uint32_t position) const noexcept;
  // Where a key lies; entries(table) when it is not there.
  uint32_t position_of(uint32_t table, const SharedValue& key) const noexcept;
  // The key of that text; nil when no table of the tree has such a string.
  SharedValue string_key(std::string_view text) const noexcept;

 private:
  friend class SharedTreeBuilder;
  struct Table {
    uint32_t first_item = 0, items = 0;
    uint32_t first_pair = 0, pairs = 0;
    uint32_t first_slot = 0, slots = 0;  // slots: a power of two, or 0 where pairs are few
    bool has_tables = false;
  };
  struct String {
    uint64_t offset = 0;
    uint32_t size = 0;
    uint32_t hash = 0;
  };
  static constexpr uint32_t kNothing = UINT32_MAX;

  std::string_view text(const String& string) const noexcept {
    return {text_.data() + string.offset, string.size};
  }
  uint32_t pair_index(const Table& table, const SharedValue& key) const noexcept;
  uint32_t find_string(std::string_view text, uint32_t hash) const noexcept;

  std::vector<Table> tables_;
  std::vector<SharedValue> items_;
  std::vector<SharedPair> pairs_;
  std::vector<uint32_t> slots_;  // index of a pair within its table, or kNothing
  std::vector<String> strings_;
  std::vector<uint32_t> string_slots_;  // index into strings_, or kNothing; a power of two
  std::vector<char> text_;
};

using SharedTreePointer = std::shared_ptr<const SharedTree>;  // ADR 0023

// Builds one tree, table after table: the first is the root. Home: one thread.
class SharedTreeBuilder {
 public:
  // A tree has less than 4 Gi entries, and a string less than 4 GiB.
  enum class Outcome { kDone, kNoMemory, kTooLarge, kTooDeep, kCycle };

  SharedTreeBuilder();

  // A string of the tree, for items, keys and values.
  [[nodiscard]] Outcome add_string(std::string_view text, SharedValue& string) noexcept;
  // What is added from here on belongs to the next table. The numbers of tables may be used as
  // values before they begin.
  [[nodiscard]] Outcome begin_table() noexcept;
  [[nodiscard]] Outcome add_item(const SharedValue& value) noexcept;
  // Keys of one table must differ, and must not be those of its items.
  [[nodiscard]] Outcome add_pair(const SharedPair& pair) noexcept;
  // Every table that was named must have begun; nothing may be added afterwards.
  [[nodiscard]] Outcome finish(SharedTreePointer& tree) noexcept;

 private:
  void end_table();
  void grow_string_slots();
  void note_value(const SharedValue& value) noexcept;
  Outcome check_depth() const;

  std::shared_ptr<SharedTree> tree_;  // ADR 0023
};

}  // namespace skyloom::lua
