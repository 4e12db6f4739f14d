// A gate over the double of the C interface, and the words its tests are written in.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/gate.hpp"
#include "testing/fake_skynet.hpp"

namespace skyloom::services {

class GateFixture : public ::testing::Test {
 protected:
  static constexpr uint32_t kSelf = skynet_context::kHandle;
  static constexpr uint32_t kWatchdog = 0x20;
  static constexpr uint32_t kAgent = 0x30;
  static constexpr uint32_t kClient = 0x31;
  static constexpr int kListener = 1;

  GateFixture() {
    node_.names = {{"watchdog", kWatchdog}, {"broker", 0x40}};
    skynet_context::now = 0;
  }
  ~GateFixture() override {
    if (instance_ != nullptr) ServiceModule<Gate>::release(instance_);
  }
  int init(const char* parameter) {
    instance_ = ServiceModule<Gate>::create();
    return ServiceModule<Gate>::init(instance_, &node_, parameter);
  }
  // A gate that listens, with nothing written down yet.
  void start(const char* parameter = "S .watchdog 8888 0 10") {
    ASSERT_EQ(init(parameter), 0);
    node_.socket_text(SKYNET_SOCKET_TYPE_CONNECT, kListener, 8888, "0.0.0.0");
    forget();
  }
  void forget() {
    node_.calls.clear();
    node_.log.clear();
    node_.sent.clear();
  }
  void command(std::string_view text) { node_.deliver(PTYPE_TEXT, text, kWatchdog); }
  void accept(int id, std::string_view peer = "10.0.0.1:5000") {
    node_.socket_text(SKYNET_SOCKET_TYPE_ACCEPT, kListener, id, peer);
  }
  void frame(int id, std::string_view bytes) {
    node_.socket_bytes(SKYNET_SOCKET_TYPE_DATA, id, bytes);
  }
  void closed(int id) { node_.socket_text(SKYNET_SOCKET_TYPE_CLOSE, id, 0); }
  void failed(int id, std::string_view why) {
    node_.socket_text(SKYNET_SOCKET_TYPE_ERROR, id, 0, why);
  }

  static FakeMessage message(uint32_t source, uint32_t to, int type, int session,
                             std::string payload) {
    FakeMessage made;
    made.source = source;
    made.to = to;
    made.type = type;
    made.session = session;
    made.payload = std::move(payload);
    return made;
  }
  static FakeMessage report(std::string text, int session = 0) {
    return message(kSelf, kWatchdog, PTYPE_TEXT, session, std::move(text));
  }

  skynet_context node_;
  void* instance_ = nullptr;
};

}  // namespace skyloom::services
