#include "actor/names.hpp"

namespace skyloom::actor {

const char* Names::add(std::string_view name, uint32_t handle) {
  base::MutexLock lock(mutex_);
  if (by_name_.find(name) != by_name_.end()) return nullptr;
  const auto by_name = by_name_.emplace(std::string(name), handle).first;
  try {
    by_handle_.emplace(handle, std::string(name));
  } catch (...) {
    by_name_.erase(by_name);  // both or none
    throw;
  }
  return by_name->first.c_str();
}

uint32_t Names::find(std::string_view name) const {
  base::MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? 0 : found->second;
}

bool Names::remove(std::string_view name, uint32_t handle) {
  base::MutexLock lock(mutex_);
  const auto [begin, end] = by_handle_.equal_range(handle);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second != name) continue;
    by_name_.erase(entry->second);
    by_handle_.erase(entry);
    return true;
  }
  return false;
}

void Names::remove_all(uint32_t handle) {
  base::MutexLock lock(mutex_);
  const auto [begin, end] = by_handle_.equal_range(handle);
  for (auto entry = begin; entry != end; ++entry) by_name_.erase(entry->second);
  by_handle_.erase(begin, end);
}

const char* Environment::find(std::string_view key) const {
  base::MutexLock lock(mutex_);
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : found->second.c_str();
}

bool Environment::add(std::string_view key, std::string_view value) {
  base::MutexLock lock(mutex_);
  return values_.emplace(std::string(key), std::string(value)).second;
}

}  // namespace skyloom::actor
