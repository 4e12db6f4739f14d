// The C++ face over the double: what a class does becomes calls of the C interface, and what
// arrives becomes calls of the class.
#include "skyloom/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <thread>

#include "actor/modules.hpp"
#include "sdk/register_service.hpp"
#include "testing/fake_skynet.hpp"

namespace skyloom {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A service whose callbacks are the test's.
struct Script {
  std::function<bool(Context&, std::string_view)> start;
  std::function<void(Context&, Message&)> message;
  std::function<void(Context&, SocketEvent&)> socket;
  int signal = -1;
  int alive = 0;
};
Script script;

class Scripted final : public Service {
 public:
  Scripted() { ++script.alive; }
  ~Scripted() override { --script.alive; }
  bool on_start(Context& context, std::string_view arguments) override {
    return !script.start || script.start(context, arguments);
  }
  void on_message(Context& context, Message& message) override {
    if (script.message) script.message(context, message);
  }
  void on_socket(Context& context, SocketEvent& event) override {
    if (script.socket) script.socket(context, event);
  }
  void on_signal(int number) noexcept override { script.signal = number; }
};

class Plain final : public Service {};

}  // namespace
}  // namespace skyloom

SKYLOOM_SERVICE(scripted, skyloom::Scripted)

namespace skyloom {
namespace {

class ServiceTest : public ::testing::Test {
 protected:
  ~ServiceTest() override {
    if (instance_ != nullptr) scripted_release(instance_);
    EXPECT_EQ(script.alive, 0);
    script = {};
  }
  int init(const char* parameter = nullptr) {
    instance_ = scripted_create();
    return scripted_init(instance_, &node_, parameter);
  }
  // Runs something inside of the service.
  void inside(const std::function<void(Context&)>& what) {
    script.message = [&what](Context& context, Message&) { what(context); };
    node_.deliver(PTYPE_TEXT, "go");
  }

  skynet_context node_;
  void* instance_ = nullptr;
};

TEST_F(ServiceTest, StartGetsTheArgumentsOfTheLaunchAndTheOwnHandle) {
  std::string got;
  Handle self = Handle::kNone;
  script.start = [&](Context& context, std::string_view arguments) {
    got = arguments;
    self = context.handle();
    return true;
  };
  EXPECT_EQ(init("one two"), 0);
  EXPECT_EQ(got, "one two");
  EXPECT_EQ(self, Handle{skynet_context::kHandle});
}

TEST_F(ServiceTest, NoArgumentsAreAnEmptyText) {
  bool was_empty = false;
  script.start = [&](Context&, std::string_view arguments) {
    return was_empty = arguments.empty();
  };
  EXPECT_EQ(init(nullptr), 0);
  EXPECT_TRUE(was_empty);
}

TEST_F(ServiceTest, AStartThatRefusesFailsTheLaunch) {
  script.start = [](Context&, std::string_view) { return false; };
  EXPECT_NE(init(), 0);
}

TEST_F(ServiceTest, AStartThatThrowsFailsTheLaunchAndSaysWhy) {
  script.start = [](Context&, std::string_view) -> bool { throw std::runtime_error("no luck"); };
  EXPECT_NE(init(), 0);
  EXPECT_THAT(node_.log, ElementsAre("on_start: exception: no luck"));
}

TEST_F(ServiceTest, AMessageThatThrowsIsLoggedAndItsCallerGetsAnError) {
  ASSERT_EQ(init(), 0);
  script.message = [](Context&, Message&) { throw std::runtime_error("bad"); };
  node_.deliver(PTYPE_RESERVED_LUA, "call", 0x0c, 5);
  EXPECT_THAT(node_.log, ElementsAre("on_message: exception: bad"));
  ASSERT_THAT(node_.sent, SizeIs(1));
  EXPECT_EQ(node_.sent[0].type, PTYPE_ERROR);
  EXPECT_EQ(node_.sent[0].to, 0x0cu);
  EXPECT_EQ(node_.sent[0].session, 5);
}

TEST_F(ServiceTest, AReplyGoesToTheSourceWithItsSession) {
  ASSERT_EQ(init(), 0);
  script.message = [](Context& context, Message& message) {
    EXPECT_TRUE(context.reply(message, message.payload));
  };
  node_.deliver(PTYPE_TEXT, "ping", 0x0c, 7);
  FakeMessage expected;
  expected.source = skynet_context::kHandle;
  expected.to = 0x0c;
  expected.type = PTYPE_RESPONSE;
  expected.session = 7;
  expected.payload = "ping";
  EXPECT_THAT(node_.sent, ElementsAre(expected));
}

TEST_F(ServiceTest, NobodyIsAnsweredWhoDoesNotWait) {
  ASSERT_EQ(init(), 0);
  script.message = [](Context& context, Message& message) {
    (void)context.reply(message, "x");
    (void)context.reply_error(message);
  };
  node_.deliver(PTYPE_TEXT, "no session", 0x0c, 0);
  node_.deliver(PTYPE_RESPONSE, "an answer", 0x0c, 5);
  node_.deliver(PTYPE_ERROR, "", 0x0c, 5);
  node_.deliver(PTYPE_RESPONSE, "", 0, 5);
  EXPECT_THAT(node_.sent, IsEmpty());
}

TEST_F(ServiceTest, ATakenPayloadIsHandedOnWithoutACopy) {
  ASSERT_EQ(init(), 0);
  script.message = [](Context& context, Message& message) {
    EXPECT_TRUE(context.send(Handle{0x0d}, {.type = MessageType::kClient}, message.take()));
    EXPECT_FALSE(message.take());
  };
  void* const block = skynet_malloc(3);
  std::memcpy(block, "abc", 3);
  node_.deliver_block(PTYPE_TEXT, block, 3, 0x0c, 0);
  ASSERT_THAT(node_.sent, SizeIs(1));
  EXPECT_EQ(node_.sent[0].block, block);
  EXPECT_EQ(node_.sent[0].payload, "abc");
}

TEST_F(ServiceTest, AnEmptyMessageHasAnEmptyPayload) {
  ASSERT_EQ(init(), 0);
  bool was_empty = false;
  script.message = [&](Context&, Message& message) {
    was_empty = message.payload.empty() && !message.take();
  };
  node_.deliver(PTYPE_RESPONSE, "", 0, 1);
  EXPECT_TRUE(was_empty);
}

TEST_F(ServiceTest, SendsTellTheSessionAndTheReasonOfAFailure) {
  ASSERT_EQ(init(), 0);
  inside([](Context& context) {
    const Envelope request{.type = MessageType{42}, .session = Session::kAllocate};
    const SendResult sent = context.send(Handle{0x0c}, request, "q");
    EXPECT_TRUE(sent);
    EXPECT_EQ(sent.session, Session{1});
    EXPECT_EQ(context.send(".name", {.session = Session{9}}, "n").session, Session{9});
  });
  EXPECT_EQ(node_.sent[0].type, 42);
  EXPECT_EQ(node_.sent[1].name, ".name");
  node_.send_result = -1;
  inside([](Context& context) {
    EXPECT_EQ(context.send(Handle{1}, {}, "x").error, SendError::kNoService);
    EXPECT_EQ(context.send(Handle{1}, {}, Bytes::copy_of("x")).error, SendError::kNoService);
  });
  node_.send_result = -2;
  inside([](Context& context) {
    EXPECT_EQ(context.send(Handle{1}, {}, "x").error, SendError::kTooLarge);
  });
}

TEST_F(ServiceTest, TimersGiveASessionThatCanBeCancelledOnce) {
  ASSERT_EQ(init(), 0);
  inside([](Context& context) {
    const Session timer = context.timeout(std::chrono::milliseconds(15));
    EXPECT_NE(timer, Session::kNone);
    EXPECT_TRUE(context.cancel(timer));
    EXPECT_FALSE(context.cancel(timer));
  });
}

TEST_F(ServiceTest, ServicesAreLaunchedKilledAndFoundByText) {
  node_.environment["key"] = "value";
  node_.names["logger"] = 1;
  ASSERT_EQ(init(), 0);
  inside([](Context& context) {
    EXPECT_EQ(context.launch("echo", "a b"), Handle{0x0b});
    context.kill(Handle{0x0b});
    context.exit();
    EXPECT_EQ(context.find(".logger"), Handle{1});
    EXPECT_EQ(context.find(":1f"), Handle{0x1f});
    EXPECT_EQ(context.find(".nobody"), Handle::kNone);
    EXPECT_TRUE(context.register_name("me"));
    EXPECT_FALSE(context.register_name("logger"));
    EXPECT_EQ(context.getenv("key"), "value");
    EXPECT_FALSE(context.getenv("other").has_value());
  });
  EXPECT_THAT(node_.commands, ElementsAre("LAUNCH echo a b", "KILL :0000000b", "EXIT"));
  node_.launched = 0;
  inside([](Context& context) { EXPECT_EQ(context.launch("missing"), Handle::kNone); });
}

TEST_F(ServiceTest, HandlesAreReadFromWholeTextsOnly) {
  EXPECT_EQ(Context::parse_handle(":0000000A"), Handle{10});
  for (const char* text : {"", ":", "a", ":x", ":1 ", ":1x", ":123456789", ": 1", ":-1"}) {
    EXPECT_EQ(Context::parse_handle(text), Handle::kNone) << text;
  }
  EXPECT_EQ(Context::parse_handle(nullptr), Handle::kNone);
}

TEST_F(ServiceTest, LogLinesAreLoggedVerbatimAndFormattedOnesAreCut) {
  ASSERT_EQ(init(), 0);
  inside([](Context& context) {
    context.log(std::string_view("100% \0 raw", 10));
    context.logf("%d and %s", 1, "two");
    context.logf("%2000d", 1);
  });
  EXPECT_EQ(node_.log[0], std::string("100% \0 raw", 10));
  EXPECT_EQ(node_.log[1], "1 and two");
  EXPECT_EQ(node_.log[2].size(), Context::kFormattedBytesMax);
}

TEST_F(ServiceTest, SocketCallsReachTheEngine) {
  ASSERT_EQ(init(), 0);
  inside([](Context& context) {
    const SocketId listener = context.listen({.host = "::", .port = 80, .backlog = 9});
    context.start(listener);
    const SocketId peer = context.connect({"host", 81});
    context.set_framing(peer, Framing::kLine, 100);
    EXPECT_TRUE(
        context.set_route(peer, {Handle{0x0c}, {MessageType{42}, Session{3}, Handle{0x0d}}}));
    context.clear_route(peer);
    context.no_delay(peer);
    context.pause(peer);
    EXPECT_TRUE(context.write(peer, "copied"));
    EXPECT_TRUE(context.write(peer, Bytes::copy_of("given"), Priority::kLow));
    context.close(peer);
    context.shutdown(listener);
  });
  EXPECT_THAT(node_.calls,
              ElementsAre("listen :::80 9 -> 1", "start 1", "connect host:81 -> 2",
                          "framing 2 3 100", "route 2 to=:c source=:d type=42 session=3",
                          "route 2 to=:0 source=:0 type=0 session=0", "nodelay 2", "pause 2",
                          "write 2 copied", "write_low 2 given", "close 2", "shutdown 1"));
  node_.refuses_sockets = true;
  inside([](Context& context) {
    EXPECT_EQ(context.listen({}), SocketId::kNone);
    EXPECT_EQ(context.connect({"h", 1}), SocketId::kNone);
  });
}

TEST_F(ServiceTest, SocketEventsCarryTextOrPayload) {
  ASSERT_EQ(init(), 0);
  std::vector<std::string> seen;
  script.socket = [&](Context&, SocketEvent& event) {
    seen.push_back(std::to_string(static_cast<int>(event.kind)) + " " +
                   std::to_string(static_cast<int>(event.id)) + " " + std::to_string(event.value) +
                   " " + std::string(event.text) + std::string(event.payload));
    if (event.payload == "keep") {
      EXPECT_EQ(event.take().view(), "keep");
    }
  };
  node_.socket_text(SKYNET_SOCKET_TYPE_ACCEPT, 1, 5, "1.2.3.4:5");
  node_.socket_bytes(SKYNET_SOCKET_TYPE_DATA, 5, "bytes");
  node_.socket_bytes(SKYNET_SOCKET_TYPE_DATA, 5, "keep");
  node_.socket_text(SKYNET_SOCKET_TYPE_CLOSE, 5, 0);
  EXPECT_THAT(seen, ElementsAre("4 1 5 1.2.3.4:5", "1 5 5 bytes", "1 5 4 keep", "3 5 0 "));
}

TEST_F(ServiceTest, ADatagramHasItsPayloadAndItsSender) {
  ASSERT_EQ(init(), 0);
  const std::string sender("\x01\x00\x35\x7f\x00\x00\x01", 7);
  script.socket = [&](Context& context, SocketEvent& event) {
    EXPECT_EQ(event.payload, "query");
    EXPECT_EQ(event.udp_address, sender);
    EXPECT_TRUE(context.write_udp(event.id, event.udp_address, "answer"));
    EXPECT_FALSE(context.write_udp(event.id, "short", "answer"));
  };
  node_.socket_udp(4, "query", sender);
  EXPECT_THAT(node_.calls, ElementsAre("udp_address " + sender, "udp_write 4 answer"));
}

// A payload of this type holds a pointer. Only the runtime, which has no handle, may be believed.
TEST_F(ServiceTest, AForgedSocketEventIsAnOrdinaryMessage) {
  ASSERT_EQ(init(), 0);
  int messages = 0;
  script.message = [&](Context&, Message& message) {
    EXPECT_EQ(message.type, MessageType::kSocket);
    ++messages;
  };
  script.socket = [](Context&, SocketEvent&) { FAIL() << "followed a forged pointer"; };
  node_.deliver(PTYPE_SOCKET, std::string(sizeof(skynet_socket_message), '\x41'), 0x0c);
  node_.deliver(PTYPE_SOCKET, "short", 0, 0);
  EXPECT_EQ(messages, 2);
}

TEST_F(ServiceTest, SignalsArriveOnTheCallersThread) {
  ASSERT_EQ(init(), 0);
  std::thread([this] { scripted_signal(instance_, 3); }).join();
  EXPECT_EQ(script.signal, 3);
}

TEST(RegisterService, MakesAClassABuiltInTypeOnce) {
  actor::ModuleFunctions functions{.create = ServiceModule<Plain>::create,
                                   .init = ServiceModule<Plain>::init,
                                   .release = ServiceModule<Plain>::release,
                                   .signal = ServiceModule<Plain>::signal};
  skynet_context node;
  void* const instance = functions.create();
  EXPECT_EQ(functions.init(instance, &node, nullptr), 0);
  node.deliver(PTYPE_TEXT, "ignored");
  functions.release(instance);
  actor::Modules modules("./?.so");
  EXPECT_TRUE(sdk::register_service<Plain>(modules, "plain"));
  EXPECT_FALSE(sdk::register_service<Plain>(modules, "plain"));
}

}  // namespace
}  // namespace skyloom
