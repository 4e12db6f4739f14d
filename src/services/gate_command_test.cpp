#include "services/gate_command.hpp"

#include <gtest/gtest.h>

#include "testing/test_random.hpp"

namespace skyloom::services {
namespace {

std::string error_of(std::string_view text) {
  const auto options = parse_gate_options(text);
  return options ? "" : options.error();
}

TEST(GateOptions, AllFieldsAreRead) {
  const auto options = parse_gate_options("L .watchdog 127.0.0.1:8888 42 1000");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options.value().framing, Framing::kLength32);
  EXPECT_EQ(options.value().watchdog, ".watchdog");
  EXPECT_EQ(options.value().host, "127.0.0.1");
  EXPECT_EQ(options.value().port, 8888);
  EXPECT_EQ(options.value().client_tag, MessageType{42});
  EXPECT_EQ(options.value().connections_max, 1000u);
}

TEST(GateOptions, ShortFormsMeanAnyHostNoWatchdogAndTheClientType) {
  const auto options = parse_gate_options("  S\t!  0 0 1\n");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options.value().framing, Framing::kLength16);
  EXPECT_EQ(options.value().watchdog, "");
  EXPECT_EQ(options.value().host, "0.0.0.0");
  EXPECT_EQ(options.value().port, 0);
  EXPECT_EQ(options.value().client_tag, MessageType::kClient);
}

TEST(GateOptions, AnIpv6HostMayHaveBrackets) {
  const auto with = parse_gate_options("S ! [::1]:80 0 1");
  const auto without = parse_gate_options("S ! ::1:80 0 1");
  ASSERT_TRUE(with.ok());
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(with.value().host, "::1");
  EXPECT_EQ(without.value().host, "::1");
}

TEST(GateOptions, WordsBehindTheFieldsAreOptionsOfTheListener) {
  const auto options = parse_gate_options(
      "S ! unix:/run/a:b 0 1 proxy=v2 proxy_optional=1 handshake_timeout=250 nodelay=1 "
      "reuse_port=1 v6_only=1 file_mode=660 backlog=7 keepalive_idle=60 keepalive_interval=5 "
      "keepalive_count=4 user_timeout=9000 receive_buffer=1000 send_buffer=2000");
  ASSERT_TRUE(options.ok()) << options.error();
  EXPECT_EQ(options.value().host, "unix:/run/a:b");
  const ListenOptions& listen = options.value().listen;
  EXPECT_EQ(listen.proxy, Proxy::kV2);
  EXPECT_TRUE(listen.proxy_optional);
  EXPECT_EQ(listen.handshake_timeout.count(), 250);
  EXPECT_TRUE(listen.reuse_port);
  EXPECT_TRUE(listen.v6_only);
  EXPECT_EQ(listen.file_mode, 0660);
  EXPECT_EQ(listen.backlog, 7);
  EXPECT_TRUE(listen.accepted.no_delay);
  EXPECT_EQ(listen.accepted.keep_alive_idle.count(), 60);
  EXPECT_EQ(listen.accepted.keep_alive_interval.count(), 5);
  EXPECT_EQ(listen.accepted.keep_alive_count, 4);
  EXPECT_EQ(listen.accepted.user_timeout.count(), 9000);
  EXPECT_EQ(listen.accepted.receive_buffer_bytes, 1000);
  EXPECT_EQ(listen.accepted.send_buffer_bytes, 2000);
}

TEST(GateOptions, LimitsOfTheListenerAreWordsInWhichZeroIsNone) {
  const auto options = parse_gate_options(
      "S ! 80 0 1 max_per_listener=9 max_per_ip=8 accept_rate=7 first_byte_timeout=6 "
      "idle_timeout=5 frame_timeout=4 write_timeout=3 linger_timeout=2 frame_max=1k "
      "wbuffer_max=2G wbuffer_policy=drop_low");
  ASSERT_TRUE(options.ok()) << options.error();
  const ListenerLimits& limits = options.value().listen.limits;
  EXPECT_EQ(limits.connections_max, 9);
  EXPECT_EQ(limits.per_address_max, 8);
  EXPECT_EQ(limits.accepts_per_second, 7);
  EXPECT_EQ(limits.first_byte_timeout.count(), 6);
  EXPECT_EQ(limits.idle_timeout.count(), 5);
  EXPECT_EQ(limits.frame_timeout.count(), 4);
  EXPECT_EQ(limits.write_timeout.count(), 3);
  EXPECT_EQ(limits.linger_timeout.count(), 2);
  EXPECT_EQ(limits.frame_bytes_max, 1024);
  EXPECT_EQ(limits.write_buffer_max, int64_t{2} << 30);
  EXPECT_EQ(limits.write_buffer_policy, WriteBufferPolicy::kDropLow);
  const auto none = parse_gate_options(
      "S ! 80 0 1 max_per_listener=0 max_per_ip=0 accept_rate=0 first_byte_timeout=0 "
      "idle_timeout=0 frame_timeout=0 write_timeout=0 linger_timeout=0 frame_max=0 wbuffer_max=0");
  ASSERT_TRUE(none.ok()) << none.error();
  const ListenerLimits& open = none.value().listen.limits;
  for (const int64_t limit :
       {int64_t{open.connections_max}, int64_t{open.per_address_max},
        int64_t{open.accepts_per_second}, int64_t{open.first_byte_timeout.count()},
        int64_t{open.idle_timeout.count()}, int64_t{open.frame_timeout.count()},
        int64_t{open.write_timeout.count()}, int64_t{open.linger_timeout.count()},
        int64_t{open.frame_bytes_max}, open.write_buffer_max}) {
    EXPECT_EQ(limit, kNoLimit);
  }
}

TEST(GateOptions, ANumberIsTakenUpToTheEndOfItsRange) {
  for (const char* word :
       {"max_per_ip=2147483647", "idle_timeout=2147483647", "keepalive_count=127", "file_mode=777",
        "frame_max=2147483647", "wbuffer_max=1024G", "wbuffer_max=1099511627776"}) {
    EXPECT_TRUE(parse_gate_options("S ! 80 0 1 " + std::string(word)).ok()) << word;
  }
}

TEST(GateOptions, WithoutSuchWordsTheListenerIsAsItWas) {
  const auto options = parse_gate_options("S ! 80 0 1");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options.value().listen.backlog, 128);
  EXPECT_EQ(options.value().listen.proxy, Proxy::kNone);
  EXPECT_EQ(options.value().listen.limits.connections_max, 0);
  EXPECT_EQ(options.value().listen.limits.write_buffer_policy, WriteBufferPolicy::kOfNode);
}

TEST(GateOptions, AWrongOptionIsNamed) {
  for (const char* word :
       {"proxy=v3", "proxy", "nodelay=2", "reuse_port=", "file_mode=888", "file_mode=1000",
        "backlog=-1", "keepalive_count=128", "handshake_timeout=1s", "send_buffer=99999999999",
        "max_per_ip=-1", "max_per_ip=2147483648", "idle_timeout=", "frame_max=2G",
        "wbuffer_max=1025G", "wbuffer_max=1T", "wbuffer_policy=drop"}) {
    const std::string error = error_of("S ! 80 0 1 " + std::string(word));
    const std::string_view key = std::string_view(word).substr(0, std::string_view(word).find('='));
    EXPECT_EQ(error.find(key), 0u) << word << ": " << error;
    EXPECT_NE(error.find("must be"), std::string::npos) << word;
  }
}

TEST(GateOptions, ANumberBehindTheFiveWordsIsIgnored) {
  const auto options = parse_gate_options("S ! 80 0 4 0 65536 nodelay=1");
  ASSERT_TRUE(options.ok()) << options.error();
  EXPECT_EQ(options.value().connections_max, 4u);
  EXPECT_TRUE(options.value().listen.accepted.no_delay);
}

TEST(GateOptions, AWrongFieldIsNamed) {
  EXPECT_NE(error_of("").find("5 words"), std::string::npos);
  EXPECT_NE(error_of("S ! 80 0").find("5 words"), std::string::npos);
  EXPECT_EQ(error_of("S ! 80 0 1 more"), "\"more\": is no option of a gate");
  EXPECT_EQ(error_of("S ! 80 0 1 nodelay=1 much=1"), "\"much=1\": is no option of a gate");
  EXPECT_EQ(error_of("S ! unix: 0 1").find("address"), 0u);
  for (const char* header : {"s", "SL", "X", "2"}) {
    EXPECT_EQ(error_of(std::string(header) + " ! 80 0 1").find("header"), 0u) << header;
  }
  for (const char* watchdog : {"watchdog", ".", ":", "!!", "0a"}) {
    EXPECT_EQ(error_of("S " + std::string(watchdog) + " 80 0 1").find("watchdog"), 0u) << watchdog;
  }
  for (const char* address : {"65536", "-1", "host", "host:", ":x", "1.2.3.4:80x", "80:", "+80"}) {
    EXPECT_EQ(error_of("S ! " + std::string(address) + " 0 1").find("address"), 0u) << address;
  }
  for (const char* tag : {"256", "-1", "x", "3x"}) {
    EXPECT_EQ(error_of("S ! 80 " + std::string(tag) + " 1").find("client_tag"), 0u) << tag;
  }
  for (const char* most : {"0", "-1", "x", "4294967296", "1x"}) {
    EXPECT_EQ(error_of("S ! 80 0 " + std::string(most)).find("max"), 0u) << most;
  }
}

// A frame under such a type would let the client choose a pointer that a service follows or frees.
TEST(GateOptions, TypesWhosePayloadsHoldPointersAreRefused) {
  for (int tag = 0; tag < 256; ++tag) {
    const bool holds_pointers = tag == 2 || tag == 4 || tag == 5;
    const auto options = parse_gate_options("S ! 80 " + std::to_string(tag) + " 1");
    EXPECT_EQ(options.ok(), !holds_pointers) << tag;
  }
}

TEST(GateCommand, EachCommandIsRead) {
  const auto start = parse_gate_command("start 7");
  ASSERT_TRUE(start && std::holds_alternative<GateStart>(*start));
  EXPECT_EQ(std::get<GateStart>(*start).id, SocketId{7});
  const auto kick = parse_gate_command("kick 2147483647\n");
  ASSERT_TRUE(kick && std::holds_alternative<GateKick>(*kick));
  EXPECT_EQ(std::get<GateKick>(*kick).id, SocketId{INT32_MAX});
  const auto forward = parse_gate_command("forward 7 :0000000b :FF");
  ASSERT_TRUE(forward && std::holds_alternative<GateForward>(*forward));
  EXPECT_EQ(std::get<GateForward>(*forward).agent, Handle{0x0b});
  EXPECT_EQ(std::get<GateForward>(*forward).client, Handle{0xff});
  const auto broker = parse_gate_command("broker .name");
  ASSERT_TRUE(broker && std::holds_alternative<GateBroker>(*broker));
  EXPECT_EQ(std::get<GateBroker>(*broker).name, ".name");
  const auto close = parse_gate_command(" close ");
  ASSERT_TRUE(close && std::holds_alternative<GateClose>(*close));
}

TEST(GateCommand, WordsAreMatchedWhole) {
  for (const char* text : {"",
                           " ",
                           "star 7",
                           "starts 7",
                           "start7",
                           "start",
                           "start 7 8",
                           "start x",
                           "start 7x",
                           "start -7",
                           "start +7",
                           "start 0",
                           "start 2147483648",
                           "START 7",
                           "kick",
                           "kick 1 2",
                           "kickoff 1",
                           "closed",
                           "close 1",
                           "closekick 1",
                           "broker",
                           "broker a b",
                           "forward 7",
                           "forward 7 :b",
                           "forward 7 b :c",
                           "forward 7 :b c",
                           "forward 7 :b :c :d",
                           "forward 7 : :c",
                           "forward x :b :c",
                           "forward 7 :123456789 :c",
                           "forward 7 :-1 :c",
                           "unknown",
                           "start\v7"}) {
    EXPECT_FALSE(parse_gate_command(text).has_value()) << '"' << text << '"';
  }
}

TEST(GateCommand, ATextWithoutEndIsNoProblem) {
  const std::string text = "start 7start 8";
  EXPECT_TRUE(parse_gate_command(std::string_view(text).substr(0, 7)).has_value());
  EXPECT_FALSE(parse_gate_command(std::string_view("start\0 7", 8)).has_value());
  EXPECT_FALSE(parse_gate_command(std::string_view()).has_value());
}

TEST(GateCommand, GarbageIsRefusedOrReadButNeverFollowed) {
  testing::TestRandom random;
  const std::string_view pieces[] = {"start",
                                     "kick",
                                     "forward",
                                     "broker",
                                     "close",
                                     " ",
                                     "\t",
                                     ":",
                                     "0",
                                     "7",
                                     ":b",
                                     "\0",
                                     "-",
                                     "S",
                                     "L",
                                     "!",
                                     "80",
                                     "\xff",
                                     "99999999999999999999"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (int count = random.below(9); count > 0; --count) {
      text += random.below(4) == 0 ? std::string(1, random.letter())
                                   : std::string(pieces[random.below(std::size(pieces))]);
    }
    const auto command = parse_gate_command(text);
    if (command && std::holds_alternative<GateStart>(*command)) {
      EXPECT_GT(static_cast<int>(std::get<GateStart>(*command).id), 0) << text;
    }
    const auto options = parse_gate_options(text);
    if (options) {
      EXPECT_GT(options.value().connections_max, 0u) << text;
    }
  }
}

}  // namespace
}  // namespace skyloom::services
