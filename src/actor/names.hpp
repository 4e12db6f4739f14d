// Local names (stored without their leading dot) and the process-wide environment. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.hpp"

namespace skyloom::actor {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

class Names {
 public:
  // The stored text, valid as long as the name is registered; null when the name is taken.
  const char* add(std::string_view name, uint32_t handle);
  // 0 when nobody has this name.
  uint32_t find(std::string_view name) const;
  // False when the name is not this handle's.
  bool remove(std::string_view name, uint32_t handle);
  void remove_all(uint32_t handle);

 private:
  using ByName = std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>>;

  mutable base::Mutex mutex_;
  ByName by_name_ SKYLOOM_GUARDED_BY(mutex_);
  std::unordered_multimap<uint32_t, std::string> by_handle_ SKYLOOM_GUARDED_BY(mutex_);
};

// Keys are set once and never change, so a value found stays valid for ever.
class Environment {
 public:
  // Null when the key is not set.
  const char* find(std::string_view key) const;
  // False when the key is set already; the old value stays.
  bool add(std::string_view key, std::string_view value);

 private:
  mutable base::Mutex mutex_;
  std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> values_
      SKYLOOM_GUARDED_BY(mutex_);
};

}  // namespace skyloom::actor
