// The message dump of a service (LOGON, contract 3.11): one file, a line per message. The lock
// around it makes LOGOFF safe while a message is being written (D-43). Home: whoever holds that
// lock.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "actor/message.hpp"

namespace skyloom::actor {

class Dump {
 public:
  // Null when the file cannot be opened for appending. `now_cs` and `starttime` as System has them.
  static std::unique_ptr<Dump> open(const std::string& path, uint64_t now_cs, uint32_t starttime);
  // Where the dump of a service lies.
  static std::string path_of(const std::string& directory, uint32_t handle);

  ~Dump();
  Dump(const Dump&) = delete;
  Dump& operator=(const Dump&) = delete;

  void write(const RawMessage& message, uint64_t now_cs) noexcept;
  // For kTypeSocket messages, whose text comes from Hooks::describe().
  void write_line(const std::string& line) noexcept;
  void write_end(uint64_t now_cs) noexcept;

 private:
  explicit Dump(std::FILE* file) noexcept : file_(file) {}

  std::FILE* const file_;
};

}  // namespace skyloom::actor
