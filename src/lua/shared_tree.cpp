#include "lua/shared_tree.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "base/check.hpp"
#include "base/memory.hpp"

namespace skyloom::lua {
namespace {

// So few pairs are compared one by one: that reads fewer cache lines than a hash does.
constexpr uint32_t kScannedPairsMax = 8;
constexpr uint32_t kStringSlotsMin = 16;
constexpr size_t kIndexMax = UINT32_MAX - 1;

uint32_t hash_of(std::string_view text) noexcept {
  return static_cast<uint32_t>(std::hash<std::string_view>{}(text));
}

// Strings have neighbouring numbers, integers often a common factor.
uint32_t hash_of(const SharedValue& key) noexcept {
  return static_cast<uint32_t>(
      ((key.bits + static_cast<uint64_t>(key.kind)) * 0x9e3779b97f4a7c15u) >> 32);
}

// At most half of the slots are taken.
uint32_t slots_for(uint32_t count) noexcept {
  return std::bit_ceil(count * 2);
}

}  // namespace

SharedValue shared_boolean(bool value) noexcept {
  return {0, value ? SharedKind::kTrue : SharedKind::kFalse};
}

SharedValue shared_integer(int64_t value) noexcept {
  return {static_cast<uint64_t>(value), SharedKind::kInteger};
}

SharedValue shared_real(double value) noexcept {
  return {std::bit_cast<uint64_t>(value), SharedKind::kReal};
}

SharedValue shared_pointer(const void* value) noexcept {
  return {reinterpret_cast<uintptr_t>(value), SharedKind::kPointer};
}

SharedValue shared_table(uint32_t number) noexcept {
  return {number, SharedKind::kTable};
}

int64_t integer_of(const SharedValue& value) noexcept {
  return static_cast<int64_t>(value.bits);
}

double real_of(const SharedValue& value) noexcept {
  return std::bit_cast<double>(value.bits);
}

// --- reading

std::string_view SharedTree::text(const SharedValue& string) const noexcept {
  return text(strings_[static_cast<uint32_t>(string.bits)]);
}

size_t SharedTree::bytes() const noexcept {
  return sizeof *this + tables_.capacity() * sizeof(Table) +
         items_.capacity() * sizeof(SharedValue) + pairs_.capacity() * sizeof(SharedPair) +
         slots_.capacity() * sizeof(uint32_t) + strings_.capacity() * sizeof(String) +
         string_slots_.capacity() * sizeof(uint32_t) + text_.capacity();
}

uint32_t SharedTree::find_string(std::string_view text, uint32_t hash) const noexcept {
  const auto mask = static_cast<uint32_t>(string_slots_.size()) - 1;
  for (uint32_t slot = hash & mask;; slot = (slot + 1) & mask) {
    const uint32_t index = string_slots_[slot];
    if (index == kNothing) return kNothing;
    const String& string = strings_[index];
    if (string.hash == hash && this->text(string) == text) return index;
  }
}

SharedValue SharedTree::string_key(std::string_view text) const noexcept {
  const uint32_t index = find_string(text, hash_of(text));
  if (index == kNothing) return {};
  return {index, SharedKind::kString};
}

uint32_t SharedTree::pair_index(const Table& table, const SharedValue& key) const noexcept {
  const SharedPair* const pairs = pairs_.data() + table.first_pair;
  if (table.slots == 0) {
    for (uint32_t index = 0; index < table.pairs; ++index) {
      if (pairs[index].key == key) return index;
    }
    return kNothing;
  }
  const uint32_t mask = table.slots - 1;
  for (uint32_t slot = hash_of(key) & mask;; slot = (slot + 1) & mask) {
    const uint32_t index = slots_[table.first_slot + slot];
    if (index == kNothing || pairs[index].key == key) return index;
  }
}

uint32_t SharedTree::position_of(uint32_t table, const SharedValue& key) const noexcept {
  const Table& place = tables_[table];
  if (key.kind == SharedKind::kInteger && key.bits - 1 < place.items) {
    return static_cast<uint32_t>(key.bits - 1);
  }
  const uint32_t index = pair_index(place, key);
  return index == kNothing ? place.items + place.pairs : place.items + index;
}

SharedValue SharedTree::find(uint32_t table, const SharedValue& key) const noexcept {
  const uint32_t position = position_of(table, key);
  return position == entries(table) ? SharedValue{} : entry(table, position).value;
}

SharedValue SharedTree::find(uint32_t table, std::string_view key) const noexcept {
  const SharedValue string = string_key(key);
  return string.kind == SharedKind::kNil ? string : find(table, string);
}

SharedPair SharedTree::entry(uint32_t table, uint32_t position) const noexcept {
  const Table& place = tables_[table];
  if (position < place.items) {
    return {shared_integer(int64_t{position} + 1), items_[place.first_item + position]};
  }
  return pairs_[place.first_pair + (position - place.items)];
}

// --- building

SharedTreeBuilder::SharedTreeBuilder() = default;

SharedTreeBuilder::Outcome SharedTreeBuilder::add_string(std::string_view text,
                                                         SharedValue& string) noexcept {
  SKYLOOM_CHECK(tree_ != nullptr);  // begin_table() comes first
  SharedTree& tree = *tree_;
  const uint32_t hash = hash_of(text);
  uint32_t index = tree.find_string(text, hash);
  if (index == SharedTree::kNothing) {
    if (text.size() > kIndexMax || tree.strings_.size() >= kIndexMax / 4) return Outcome::kTooLarge;
    const bool is_added = base::try_allocate([&] {
      if (tree.strings_.size() * 2 >= tree.string_slots_.size()) grow_string_slots();
      tree.strings_.reserve(std::bit_ceil(tree.strings_.size() + 1));
      const uint64_t offset = tree.text_.size();
      tree.text_.insert(tree.text_.end(), text.begin(), text.end());
      tree.strings_.push_back({offset, static_cast<uint32_t>(text.size()), hash});
    });
    if (!is_added) return Outcome::kNoMemory;
    index = static_cast<uint32_t>(tree.strings_.size()) - 1;
    const auto mask = static_cast<uint32_t>(tree.string_slots_.size()) - 1;
    uint32_t slot = hash & mask;
    while (tree.string_slots_[slot] != SharedTree::kNothing) slot = (slot + 1) & mask;
    tree.string_slots_[slot] = index;
  }
  string = {index, SharedKind::kString};
  return Outcome::kDone;
}

void SharedTreeBuilder::grow_string_slots() {
  std::vector<uint32_t> slots(tree_->string_slots_.size() * 2, SharedTree::kNothing);
  const auto mask = static_cast<uint32_t>(slots.size()) - 1;
  for (uint32_t index = 0; index < tree_->strings_.size(); ++index) {
    uint32_t slot = tree_->strings_[index].hash & mask;
    while (slots[slot] != SharedTree::kNothing) slot = (slot + 1) & mask;
    slots[slot] = index;
  }
  tree_->string_slots_.swap(slots);
}

SharedTreeBuilder::Outcome SharedTreeBuilder::begin_table() noexcept {
  if (tree_ != nullptr && tree_->tables_.size() >= SharedTree::kTablesMax) {
    return Outcome::kTooLarge;
  }
  const bool is_begun = base::try_allocate([this] {
    if (tree_ == nullptr) {
      auto tree = std::make_shared<SharedTree>();  // ADR 0023
      tree->string_slots_.assign(kStringSlotsMin, SharedTree::kNothing);
      tree_ = std::move(tree);
    }
    SharedTree& tree = *tree_;
    if (!tree.tables_.empty()) end_table();
    SharedTree::Table table;
    table.first_item = static_cast<uint32_t>(tree.items_.size());
    table.first_pair = static_cast<uint32_t>(tree.pairs_.size());
    tree.tables_.push_back(table);
  });
  return is_begun ? Outcome::kDone : Outcome::kNoMemory;
}

void SharedTreeBuilder::note_value(const SharedValue& value) noexcept {
  if (value.kind == SharedKind::kTable) tree_->tables_.back().has_tables = true;
}

SharedTreeBuilder::Outcome SharedTreeBuilder::add_item(const SharedValue& value) noexcept {
  if (tree_->items_.size() >= kIndexMax / 2) return Outcome::kTooLarge;
  if (!base::try_allocate([&] { tree_->items_.push_back(value); })) return Outcome::kNoMemory;
  ++tree_->tables_.back().items;
  note_value(value);
  return Outcome::kDone;
}

SharedTreeBuilder::Outcome SharedTreeBuilder::add_pair(const SharedPair& pair) noexcept {
  // Each pair needs up to four slots, whose indices are of 32 bits.
  if (tree_->pairs_.size() >= kIndexMax / 8) return Outcome::kTooLarge;
  if (!base::try_allocate([&] { tree_->pairs_.push_back(pair); })) return Outcome::kNoMemory;
  ++tree_->tables_.back().pairs;
  note_value(pair.value);
  return Outcome::kDone;
}

// Hashes the pairs of the last table.
void SharedTreeBuilder::end_table() {
  SharedTree& tree = *tree_;
  SharedTree::Table& table = tree.tables_.back();
  if (table.pairs <= kScannedPairsMax || table.slots != 0) return;
  const auto first_slot = static_cast<uint32_t>(tree.slots_.size());
  const uint32_t slots = slots_for(table.pairs);
  tree.slots_.resize(tree.slots_.size() + slots, SharedTree::kNothing);
  table.first_slot = first_slot;
  table.slots = slots;
  for (uint32_t index = 0; index < table.pairs; ++index) {
    uint32_t slot = hash_of(tree.pairs_[table.first_pair + index].key) & (slots - 1);
    while (tree.slots_[first_slot + slot] != SharedTree::kNothing) slot = (slot + 1) & (slots - 1);
    tree.slots_[first_slot + slot] = index;
  }
}

// Takes away, again and again, the tables that nobody left refers to: what cannot be taken away is
// in a cycle.
SharedTreeBuilder::Outcome SharedTreeBuilder::check_depth() const {
  const SharedTree& tree = *tree_;
  const auto for_each_child = [&tree](uint32_t table, auto act) {
    if (!tree.has_tables(table)) return;
    for (uint32_t position = 0; position < tree.entries(table); ++position) {
      const SharedValue value = tree.entry(table, position).value;
      if (value.kind == SharedKind::kTable) act(static_cast<uint32_t>(value.bits));
    }
  };
  std::vector<uint32_t> parents(tree.tables(), 0);
  std::vector<uint32_t> depths(tree.tables(), 1);
  for (uint32_t table = 0; table < tree.tables(); ++table) {
    for_each_child(table, [&](uint32_t child) { ++parents[child]; });
  }
  if (parents[SharedTree::kRoot] != 0) return Outcome::kCycle;
  std::vector<uint32_t> ready{SharedTree::kRoot};
  uint32_t seen = 0;
  while (!ready.empty()) {
    const uint32_t table = ready.back();
    ready.pop_back();
    ++seen;
    if (depths[table] > SharedTree::kDepthMax) return Outcome::kTooDeep;
    for_each_child(table, [&](uint32_t child) {
      depths[child] = std::max(depths[child], depths[table] + 1);
      if (--parents[child] == 0) ready.push_back(child);
    });
  }
  return seen == tree.tables() ? Outcome::kDone : Outcome::kCycle;
}

SharedTreeBuilder::Outcome SharedTreeBuilder::finish(SharedTreePointer& tree) noexcept {
  SKYLOOM_CHECK(tree_ != nullptr);
  Outcome outcome = Outcome::kDone;
  const bool is_finished = base::try_allocate([&] {
    end_table();
    outcome = check_depth();
    if (outcome != Outcome::kDone) return;
    tree_->items_.shrink_to_fit();
    tree_->pairs_.shrink_to_fit();
    tree_->text_.shrink_to_fit();
  });
  if (!is_finished) return Outcome::kNoMemory;
  if (outcome == Outcome::kDone) tree = std::move(tree_);
  return outcome;
}

}  // namespace skyloom::lua
