// Frames and outgoing bytes: where they go, in which order, and who owns them.
#include <deque>
#include <string>
#include <vector>

#include "services/gate_fixture_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::services {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GateTrafficTest : public GateFixture {
 protected:
  // Bytes and the id behind them, as agents send them.
  void output(std::string bytes, uint32_t id, uint32_t source = kAgent) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(id >> shift);
    node_.deliver(PTYPE_CLIENT, bytes, source);
  }
};

TEST_F(GateTrafficTest, FramesWithoutAgentGoToTheWatchdogAsTextsWithTheIdAsSession) {
  start();
  accept(7);
  command("start 7");
  forget();
  frame(7, std::string("a\0b", 3));
  EXPECT_THAT(node_.sent, ElementsAre(report(std::string("7 data a\0b", 10), 7)));
}

TEST_F(GateTrafficTest, FramesNobodyWantsAreDropped) {
  start("S ! 8888 0 10");
  accept(7);
  command("start 7");
  forget();
  frame(7, "x");
  frame(8, "not ours");
  EXPECT_THAT(node_.sent, IsEmpty());
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(GateTrafficTest, ForwardBeforeStartRoutesFramesPastTheGate) {
  start("S .watchdog 8888 42 10");
  accept(7);
  forget();
  command("forward 7 :30 :31");
  command("start 7");
  EXPECT_THAT(node_.calls, ElementsAre("route 7 to=:30 source=:31 type=42 session=7", "start 7"));
}

TEST_F(GateTrafficTest, WithoutAClientTheGateIsTheSource) {
  start();
  accept(7);
  forget();
  command("forward 7 :30 :0");
  EXPECT_THAT(node_.calls, ElementsAre("route 7 to=:30 source=:a type=3 session=7"));
}

// A route would let frames overtake those that wait in the gate's mailbox.
TEST_F(GateTrafficTest, ForwardAfterStartRelaysInOrderAndWithoutACopy) {
  start();
  accept(7);
  command("start 7");
  forget();
  frame(7, "login");
  command("forward 7 :30 :31");
  EXPECT_THAT(node_.calls, IsEmpty());
  frame(7, "one");
  frame(7, "two");
  EXPECT_THAT(node_.sent, ElementsAre(report("7 data login", 7),
                                      message(kClient, kAgent, PTYPE_CLIENT, 7, "one"),
                                      message(kClient, kAgent, PTYPE_CLIENT, 7, "two")));
}

TEST_F(GateTrafficTest, ARoutedConnectionCanBeRoutedElsewhere) {
  start();
  accept(7);
  command("forward 7 :30 :31");
  command("start 7");
  forget();
  command("forward 7 :50 :31");
  command("forward 7 :0 :0");
  EXPECT_THAT(node_.calls, ElementsAre("route 7 to=:50 source=:31 type=3 session=7",
                                       "route 7 to=:0 source=:a type=3 session=7"));
  frame(7, "back");
  EXPECT_THAT(node_.sent, ElementsAre(report("7 data back", 7)));
}

TEST_F(GateTrafficTest, ABrokerGetsTheFramesOfAllConnections) {
  start();
  accept(7);
  accept(8);
  command("forward 7 :30 :31");
  command("start 7");
  command("start 8");
  forget();
  command("broker .broker");
  EXPECT_THAT(node_.calls, ElementsAre("route 7 to=:40 source=:a type=3 session=7"))
      << "8 is being read: it stays relayed";
  accept(9);
  EXPECT_THAT(node_.calls, ::testing::Contains("route 9 to=:40 source=:a type=3 session=9"));
  node_.sent.clear();
  frame(8, "x");
  EXPECT_THAT(node_.sent, ElementsAre(message(kSelf, 0x40, PTYPE_CLIENT, 8, "x")));
}

TEST_F(GateTrafficTest, AnUnknownBrokerIsLoggedAndChangesNothing) {
  start();
  accept(7);
  command("start 7");
  forget();
  command("broker .nobody");
  EXPECT_THAT(node_.log, ElementsAre("[gate] No such broker: .nobody"));
  frame(7, "x");
  EXPECT_THAT(node_.sent, ElementsAre(report("7 data x", 7)));
}

TEST_F(GateTrafficTest, ForwardOfAnUnknownConnectionIsIgnored) {
  start();
  command("forward 7 :30 :31");
  EXPECT_THAT(node_.calls, IsEmpty());
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(GateTrafficTest, ADeadAgentCostsItsFramesOnly) {
  start();
  accept(7);
  command("start 7");
  command("forward 7 :30 :31");
  forget();
  node_.send_result = -1;
  frame(7, "lost");
  node_.send_result = 0;
  frame(7, "kept");
  EXPECT_THAT(node_.sent, SizeIs(1));
}

TEST_F(GateTrafficTest, OutputIsWrittenAsItIsToTheConnectionNamedBehindIt) {
  start();
  accept(0x01020304);
  forget();
  output(std::string("\0\x02hi", 4), 0x01020304);
  EXPECT_THAT(node_.calls, ElementsAre("write 16909060 " + std::string("\0\x02hi", 4)));
}

TEST_F(GateTrafficTest, OutputForNobodyIsLogged) {
  start();
  accept(7);
  forget();
  output("x", 8);
  output("x", 0xffffffff);
  EXPECT_THAT(node_.calls, IsEmpty());
  EXPECT_THAT(node_.log, ElementsAre("[gate] Invalid client id 8 from :00000030",
                                     "[gate] Invalid client id 4294967295 from :00000030"));
}

TEST_F(GateTrafficTest, OutputOfFourBytesOrLessIsLogged) {
  start();
  accept(7);
  forget();
  for (size_t size = 0; size <= 4; ++size) {
    node_.deliver(PTYPE_CLIENT, std::string("\x07\0\0\0", size), kAgent);
  }
  EXPECT_THAT(node_.calls, IsEmpty());
  EXPECT_THAT(node_.log, SizeIs(5));
  output("x", 7);
  EXPECT_THAT(node_.calls, ElementsAre("write 7 x"));
}

// The engine as the gate's tests need it: commands take effect in order, some time after they were
// given; frames cut meanwhile follow the route of that moment.
class Engine {
 public:
  explicit Engine(skynet_context& node) : node_(node) {}

  void take_commands() {
    for (const std::string& call : node_.take_calls()) commands_.push_back(call);
  }
  void run_one_command() {
    if (commands_.empty()) return;
    const std::string call = commands_.front();
    commands_.pop_front();
    if (call.starts_with("start ")) is_read_ = true;
    if (call.starts_with("route ")) is_routed_ = true;
  }
  // The next frame of the client, cut now.
  void cut(int number) {
    if (!is_read_) return;
    if (is_routed_) {
      agent_.push_back(number);
    } else {
      to_gate_.push_back(number);
    }
    ++cut_;
  }
  // Delivers the oldest frame in the gate's mailbox, and what the gate passed on.
  void deliver_one() {
    if (to_gate_.empty()) return;
    node_.socket_bytes(SKYNET_SOCKET_TYPE_DATA, 7, std::to_string(to_gate_.front()));
    to_gate_.pop_front();
    for (const FakeMessage& sent : node_.take_sent()) {
      if (sent.to == 0x30) agent_.push_back(std::stoi(sent.payload));
    }
  }
  bool has_more() const { return !to_gate_.empty() || !commands_.empty(); }
  bool is_read() const { return is_read_; }
  const std::vector<int>& agent() const { return agent_; }

 private:
  skynet_context& node_;
  std::deque<std::string> commands_;
  std::deque<int> to_gate_;
  std::vector<int> agent_;
  bool is_read_ = false;
  bool is_routed_ = false;
  int cut_ = 0;
};

TEST_F(GateTrafficTest, AnAgentSeesTheFramesOfItsClientInOrderWheneverItIsNamed) {
  testing::TestRandom random;
  start();
  for (int round = 0; round < 500; ++round) {
    accept(7);
    forget();
    Engine engine(node_);
    const int start_at = random.below(30);
    const int forward_at = random.below(30);
    int number = 0;
    for (int step = 0; step < 60 || engine.has_more(); ++step) {
      if (step == start_at) command("start 7");
      if (step == forward_at) command("forward 7 :30 :31");
      engine.take_commands();
      switch (random.below(3)) {
        case 0: engine.run_one_command(); break;
        case 1:
          if (step < 60 && engine.is_read()) engine.cut(number++);
          break;
        case 2: engine.deliver_one(); break;
      }
    }
    for (size_t index = 1; index < engine.agent().size(); ++index) {
      ASSERT_EQ(engine.agent()[index], engine.agent()[index - 1] + 1) << "round " << round;
    }
    ASSERT_TRUE(engine.agent().empty() || engine.agent().back() == number - 1);
    closed(7);
  }
}

}  // namespace
}  // namespace skyloom::services
