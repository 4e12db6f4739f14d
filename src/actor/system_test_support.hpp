// The fixture of the tests that run a System slice by slice on their own thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "actor/test_support.hpp"

namespace skyloom::actor::test {

// As CountingHooks reads it: an event that holds so many bytes outside of the message.
inline Message socket_event(int outside) {
  return text_message({reinterpret_cast<const char*>(&outside), sizeof(outside)}, kTypeSocket);
}

class CountingHooks : public Hooks {
 public:
  void on_gone(uint32_t handle) noexcept override { gone.push_back(handle); }
  void on_drained(uint32_t handle) noexcept override { drained.push_back(handle); }
  void on_empty() noexcept override { ++empty; }
  void on_slice_end() noexcept override { ++slice_ends; }
  size_t weight_of(const RawMessage& message) const noexcept override {
    return static_cast<size_t>(*static_cast<const int*>(message.data));
  }
  void dispose_inner(const RawMessage& message) noexcept override { ++disposed[message.type()]; }

  std::vector<uint32_t> gone;
  std::vector<uint32_t> drained;
  std::map<int, int> disposed;
  int empty = 0;
  int slice_ends = 0;
};

class SystemTest : public testing::Test {
 protected:
  explicit SystemTest(Options options = options_with(0))
      : system_(options, clock_, hooks_, nullptr) {
    register_probe(system_);
  }

  // A service that does what the test tells it, as itself.
  struct Puppet {
    Service* service;
    uint32_t handle;
  };
  Puppet puppet(Record* record = nullptr) {
    Service* self = nullptr;
    Handler handler = record == nullptr ? Handler{} : record->handler();
    const uint32_t handle = spawn(system_, Probe{handler,
                                                 [&](Service& service, const char*) {
                                                   self = &service;
                                                   return 0;
                                                 },
                                                 {},
                                                 {}});
    return {self, handle};
  }
  int send_text(Puppet from, uint32_t to, std::string text, int type = kTypeText, int session = 0) {
    return system_.send(*from.service, 0, to, type, session, text.data(), text.size());
  }

  TestClock clock_;
  CountingHooks hooks_;
  System system_;
};

}  // namespace skyloom::actor::test
