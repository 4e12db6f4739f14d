// Connections: how a gate starts, admits, reports and lets go.
#include "services/gate.hpp"

#include "services/gate_fixture_test.hpp"
#include "testing/test_random.hpp"

namespace skyloom::services {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GateTest : public GateFixture {};

TEST_F(GateTest, ItListensAtOnceWithItsBacklog) {
  EXPECT_EQ(init("S ! 127.0.0.1:8888 0 10"), 0);
  EXPECT_THAT(node_.calls, ElementsAre("listen 127.0.0.1:8888 128 -> 1", "start 1"));
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(GateTest, AWrongParameterFailsTheLaunchAndNamesTheField) {
  EXPECT_NE(init("X .watchdog 8888 0 10"), 0);
  EXPECT_THAT(node_.log, ElementsAre(HasSubstr("header = \"X\"")));
  EXPECT_THAT(node_.calls, IsEmpty());
}

TEST_F(GateTest, AnUnknownWatchdogFailsTheLaunch) {
  EXPECT_NE(init("S .nobody 8888 0 10"), 0);
  EXPECT_THAT(node_.log, ElementsAre("[gate] No such watchdog: .nobody"));
}

TEST_F(GateTest, AnAddressThatCannotBeUsedFailsTheLaunch) {
  node_.refuses_sockets = true;
  EXPECT_NE(init("S ! 1.2.3.4:80 0 10"), 0);
  EXPECT_THAT(node_.log, ElementsAre("[gate] Cannot listen on 1.2.3.4:80"));
}

TEST_F(GateTest, AnAddressThatFailsLaterIsLoggedAndTheGateGoesOn) {
  ASSERT_EQ(init("S ! some.name:80 0 10"), 0);
  failed(kListener, "Name or service not known");
  EXPECT_THAT(node_.log,
              ElementsAre("[gate] Cannot listen on some.name:80 : Name or service not known"));
  forget();
  command("close");
  EXPECT_THAT(node_.calls, IsEmpty());
}

TEST_F(GateTest, APortThatTheSystemChoseIsLogged) {
  ASSERT_EQ(init("S ! 0 0 10"), 0);
  node_.socket_text(SKYNET_SOCKET_TYPE_CONNECT, kListener, 40123, "0.0.0.0");
  EXPECT_THAT(node_.log, ElementsAre("[gate] Listening on 0.0.0.0:40123"));
}

TEST_F(GateTest, AnAcceptedConnectionIsFramedReportedAndNotReadYet) {
  start();
  accept(7, "10.0.0.1:5000");
  EXPECT_THAT(node_.calls, ElementsAre("framing 7 1 65535"));
  EXPECT_THAT(node_.sent, ElementsAre(report("7 open 7 10.0.0.1:5000:0")));
}

TEST_F(GateTest, ALongPeerNameIsCutTo31Characters) {
  start();
  accept(7, "1234:5678:9abc:def0:1234:5678:9abc:def0:65535");
  EXPECT_THAT(node_.sent, ElementsAre(report("7 open 7 1234:5678:9abc:def0:1234:5678:9:0")));
}

TEST_F(GateTest, WithoutWatchdogNothingIsReported) {
  start("S ! 8888 0 10");
  accept(7);
  closed(7);
  EXPECT_THAT(node_.sent, IsEmpty());
}

TEST_F(GateTest, StartBeginsReadingOfOwnConnectionsOnly) {
  start();
  accept(7);
  node_.calls.clear();
  command("start 7");
  command("start 8");
  EXPECT_THAT(node_.calls, ElementsAre("start 7"));
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(GateTest, KickClosesOwnConnectionsOnly) {
  start();
  accept(7);
  node_.calls.clear();
  command("kick 7");
  command("kick 1");
  command("kick 9");
  EXPECT_THAT(node_.calls, ElementsAre("close 7"));
}

TEST_F(GateTest, AClosedConnectionIsReportedOnceAndItsIdFreed) {
  start();
  accept(7);
  forget();
  closed(7);
  closed(7);
  failed(7, "Broken pipe");
  EXPECT_THAT(node_.sent, ElementsAre(report("7 close")));
  EXPECT_THAT(node_.calls, ElementsAre("close 7"));
}

TEST_F(GateTest, AFailedConnectionIsReportedAsClosed) {
  start();
  accept(7);
  forget();
  failed(7, "Connection reset by peer");
  closed(7);
  EXPECT_THAT(node_.sent, ElementsAre(report("7 close")));
  EXPECT_THAT(node_.calls, ElementsAre("close 7"));
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(GateTest, AFrameAboveTheLimitClosesTheConnectionWithItsLogLine) {
  start("L .watchdog 8888 0 10");
  accept(7);
  EXPECT_THAT(node_.calls, ElementsAre("framing 7 2 16777215"));
  forget();
  failed(7, "frame too large");
  closed(7);
  EXPECT_THAT(node_.log, ElementsAre("Recv socket message > 16M"));
  EXPECT_THAT(node_.sent, ElementsAre(report("7 close")));
}

TEST_F(GateTest, TheFrameLimitIsTheConfiguredOneAsFarAsTheFormatGoes) {
  struct Row {
    const char* header;
    const char* configured;
    const char* framing;
  };
  for (const Row& row :
       {Row{"S", "100", "framing 7 1 100"}, Row{"S", "16M", "framing 7 1 65535"},
        Row{"L", "2k", "framing 7 2 2048"}, Row{"L", "0", "framing 7 2 4294967295"},
        Row{"S", "0", "framing 7 1 65535"}}) {
    skynet_context node;
    node.environment["gate_frame_max"] = row.configured;
    void* const gate = ServiceModule<Gate>::create();
    const std::string parameter = std::string(row.header) + " ! 8888 0 10";
    ASSERT_EQ(ServiceModule<Gate>::init(gate, &node, parameter.c_str()), 0);
    node.calls.clear();
    node.socket_text(SKYNET_SOCKET_TYPE_ACCEPT, 1, 7, "peer");
    EXPECT_THAT(node.calls, ElementsAre(row.framing)) << row.header << " " << row.configured;
    ServiceModule<Gate>::release(gate);
  }
}

TEST_F(GateTest, ExactlyTheMaximumOfConnectionsIsAdmitted) {
  start("S .watchdog 8888 0 3");
  accept(11);
  accept(12);
  EXPECT_THAT(node_.sent, SizeIs(2)) << "max - 1";
  accept(13);
  EXPECT_THAT(node_.sent, SizeIs(3)) << "max";
  forget();
  accept(14);
  EXPECT_THAT(node_.calls, ElementsAre("close 14")) << "max + 1";
  closed(14);
  EXPECT_THAT(node_.sent, IsEmpty()) << "closed quietly";
  EXPECT_THAT(node_.log, IsEmpty());
  closed(12);
  forget();
  accept(15);
  EXPECT_THAT(node_.sent, ElementsAre(report("15 open 15 10.0.0.1:5000:0"))) << "room again";
}

TEST_F(GateTest, CloseStopsListeningAndKeepsTheConnections) {
  start();
  accept(7);
  forget();
  command("close");
  command("close");
  EXPECT_THAT(node_.calls, ElementsAre("close 1"));
  closed(kListener);
  forget();
  command("start 7");
  frame(7, "still here");
  EXPECT_THAT(node_.calls, ElementsAre("start 7"));
  EXPECT_THAT(node_.sent, ElementsAre(report("7 data still here", 7)));
}

TEST_F(GateTest, AConnectionThatArrivesAfterCloseIsClosedQuietly) {
  start();
  command("close");
  forget();
  accept(7);
  EXPECT_THAT(node_.calls, ElementsAre("close 7"));
  EXPECT_THAT(node_.sent, IsEmpty());
  EXPECT_THAT(node_.log, IsEmpty());
}

TEST_F(GateTest, AListenerThatSomebodyClosedIsForgotten) {
  start();
  closed(kListener);
  command("close");
  EXPECT_THAT(node_.calls, IsEmpty());
}

TEST_F(GateTest, AStartThatFindsItsConnectionGoneIsReportedAsClosed) {
  start();
  accept(7);
  command("start 7");
  forget();
  failed(7, "invalid socket");
  EXPECT_THAT(node_.sent, ElementsAre(report("7 close")));
}

TEST_F(GateTest, AStartedSocketThatIsNotOursIsClosed) {
  start();
  node_.socket_text(SKYNET_SOCKET_TYPE_CONNECT, 9, 0, "start");
  EXPECT_THAT(node_.calls, ElementsAre("close 9"));
}

TEST_F(GateTest, AcceptErrorsAreLoggedOncePerSecondAndEndNothing) {
  start();
  for (int count = 0; count < 100; ++count) failed(kListener, "Too many open files");
  EXPECT_THAT(node_.log, ElementsAre("[gate] Cannot accept : Too many open files"));
  skynet_context::now = 100;
  failed(kListener, "Too many open files");
  EXPECT_THAT(node_.log, SizeIs(2));
  accept(7);
  EXPECT_THAT(node_.sent, SizeIs(1));
}

TEST_F(GateTest, QueuedOutputIsWarnedAbout) {
  start();
  accept(7);
  node_.socket_text(SKYNET_SOCKET_TYPE_WARNING, 7, 1024);
  EXPECT_THAT(node_.log, ElementsAre("fd (7) send buffer (1024)K"));
}

TEST_F(GateTest, UnknownCommandsAreLoggedAsTheyCameWithoutControlCharacters) {
  start();
  command("restart 7");
  command("start\x1b[31m7");
  command(std::string(1000, 'x'));
  EXPECT_THAT(node_.log, ElementsAre("[gate] Unknown command : restart 7",
                                     "[gate] Unknown command : start?[31m7",
                                     "[gate] Unknown command : " + std::string(256, 'x') + "..."));
}

TEST_F(GateTest, ACallOfAnotherKindFailsInsteadOfHanging) {
  start();
  node_.deliver(PTYPE_RESERVED_LUA, "call", 0x0c, 5);
  node_.deliver(PTYPE_RESERVED_LUA, "send", 0x0c, 0);
  node_.deliver(PTYPE_RESPONSE, "", 0x0c, 5);
  node_.deliver(PTYPE_ERROR, "", 0x0c, 5);
  EXPECT_THAT(node_.sent, ElementsAre(message(kSelf, 0x0c, PTYPE_ERROR, 5, "")));
}

// D-52. The invariant: never more than the maximum is open, and everything that was opened is
// reported closed exactly once.
TEST_F(GateTest, NoOrderOfInputEndsTheService) {
  testing::TestRandom random;
  const auto below = [&random](int bound) { return random.below(bound); };
  start("L .watchdog 8888 3 4");
  for (int step = 0; step < 30'000; ++step) {
    const int id = 2 + below(8);
    const std::string text = std::to_string(id);
    switch (below(16)) {
      case 0: accept(id); break;
      case 1: closed(below(10) == 0 ? kListener : id); break;
      case 2: failed(id, below(2) == 0 ? "frame too large" : "reset"); break;
      case 3: frame(id, std::string(static_cast<size_t>(below(40)), 'f')); break;
      case 4: command("start " + text); break;
      case 5: command("forward " + text + " :3" + std::to_string(below(4)) + " :0"); break;
      case 6: command("kick " + text); break;
      case 7:
        if (below(100) == 0) command("broker .broker");
        break;
      case 8:
        if (below(1000) == 0) command("close");
        break;
      case 9:
        node_.deliver(below(256), std::string(static_cast<size_t>(below(30)), 'g'), 0x0c, below(3));
        break;
      case 10: node_.socket_text(below(12), id, below(3), "text"); break;
      case 11: node_.socket_bytes(below(8), id, "bytes"); break;
      case 12:
        node_.deliver(PTYPE_CLIENT,
                      std::string("hi") + static_cast<char>(id) + std::string(3, '\0'), 0x30);
        break;
      case 13: command(std::string(static_cast<size_t>(below(20)), random.letter())); break;
      case 14: node_.deliver(PTYPE_SOCKET, std::string(24, random.letter()), 0x0c); break;
      case 15: node_.send_result = -below(3); break;
    }
    node_.send_result = node_.send_result < 0 && below(4) == 0 ? 0 : node_.send_result;
    if (node_.sent.size() > 1000) forget();
  }
  node_.send_result = 0;
  for (int id = 2; id < 10; ++id) closed(id);
  forget();
  command("unknown at the end");
  EXPECT_THAT(node_.log, ElementsAre("[gate] Unknown command : unknown at the end"));
}

}  // namespace
}  // namespace skyloom::services
