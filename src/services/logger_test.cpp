// The log service over the double of the C interface, with sinks that obey the test and with real
// ones.
#include "services/logger.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <ctime>

#include "testing/fake_sink.hpp"
#include "testing/fake_skynet.hpp"

namespace skyloom::services {
namespace {

using testing::FakeSink;
using Mood = FakeSink::Mood;

FakeSink* sink = nullptr;  // of the test that runs: a factory takes no arguments
std::unique_ptr<base::LogWriter> make_fake_writer() {
  return sink == nullptr ? nullptr : sink->writer();
}

class LoggerTest : public ::testing::Test {
 protected:
  LoggerTest() {
    sink = &sink_;
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
    skynet_context::starttime = 1234567890;  // 13/02/09 23:31:30
    skynet_context::now = 0;
  }
  ~LoggerTest() override {
    stop();
    EXPECT_TRUE(sink_.wait_until_released());
    sink = nullptr;
    ::unsetenv("TZ");
    ::tzset();
  }
  template <base::LogWriterFactory kMakeWriter = make_fake_writer>
  int start(const char* parameter) {
    using Module = ServiceModule<LoggerOn<kMakeWriter>>;
    instance_ = Module::create();
    release_ = Module::release;
    return Module::init(instance_, &node_, parameter);
  }
  void stop() {
    if (instance_ != nullptr) release_(std::exchange(instance_, nullptr));
  }

  FakeSink sink_;
  skynet_context node_;
  void* instance_ = nullptr;
  void (*release_)(void*) = nullptr;
};

TEST_F(LoggerTest, TextsAreLinesOfTheirSource) {
  ASSERT_EQ(start(nullptr), 0);
  node_.deliver(PTYPE_TEXT, "LAUNCH gate", 0x0b);
  node_.deliver(PTYPE_TEXT, "", 0);
  stop();
  EXPECT_EQ(sink_.path(), "");
  EXPECT_EQ(sink_.text(), "[:0000000b] LAUNCH gate\n[:00000000] \n");
}

TEST_F(LoggerTest, OtherTypesAreIgnored) {
  ASSERT_EQ(start(""), 0);
  for (int type = 0; type < 256; ++type) {
    if (type != PTYPE_TEXT && type != PTYPE_SYSTEM) node_.deliver(type, "noise", 0x0b, 1);
  }
  stop();
  EXPECT_EQ(sink_.text(), "");
  EXPECT_TRUE(node_.sent.empty());
}

TEST_F(LoggerTest, LinesOfAFileHaveTheTimeOfTheirArrival) {
  ASSERT_EQ(start("the file"), 0);
  skynet_context::now = 12;
  node_.deliver(PTYPE_TEXT, "one", 0x0b);
  skynet_context::now = 100;
  node_.deliver(PTYPE_TEXT, "two", 0x0b);
  stop();
  EXPECT_EQ(sink_.path(), "the file");
  EXPECT_EQ(sink_.text(),
            "13/02/09 23:31:30.12 [:0000000b] one\n13/02/09 23:31:31.00 [:0000000b] two\n");
}

TEST_F(LoggerTest, ASystemMessageReopensTheFile) {
  ASSERT_EQ(start("f"), 0);
  node_.deliver(PTYPE_SYSTEM, "", 0);
  EXPECT_TRUE(sink_.wait_for_text("<reopened>\n"));
  sink_.refuse_to_open(true);
  node_.deliver(PTYPE_SYSTEM, "", 0);
  EXPECT_TRUE(sink_.wait_for_text("[:0000000a] error: Can't reopen f: Permission denied\n"));
}

TEST_F(LoggerTest, AFileThatCannotBeOpenedFailsTheLaunchAndIsNamedOnStderr) {
  sink_.refuse_to_open(true);
  ::testing::internal::CaptureStderr();
  EXPECT_NE(start("/secret/log"), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "logger: cannot write to /secret/log: Permission denied\n");
}

TEST_F(LoggerTest, NoWriterFailsTheLaunch) {
  sink = nullptr;
  ::testing::internal::CaptureStderr();
  EXPECT_NE(start(nullptr), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "logger: cannot write to standard output: out of memory or descriptors\n");
}

TEST_F(LoggerTest, TheConfiguredLimitsHold) {
  node_.environment = {{"log_queue_max", "3"}, {"log_line_max", "4"}};
  sink_.set_mood(Mood::kWaits);
  ASSERT_EQ(start(nullptr), 0);
  node_.deliver(PTYPE_TEXT, "12345", 0x0b);
  ASSERT_TRUE(sink_.wait_until_blocked());
  for (int number = 0; number < 10; ++number) node_.deliver(PTYPE_TEXT, "x", 0x0b);
  sink_.set_mood(Mood::kTakes);
  EXPECT_TRUE(
      sink_.wait_for_text("[:0000000a] 8 log lines dropped: the log could not be written\n"));
  stop();
  EXPECT_EQ(sink_.text().find("[:0000000b] 1234... (1 bytes cut)\n"), 0u);
}

// K41: a pipe nobody reads. If a worker waited for the sink, this would not end.
TEST_F(LoggerTest, AMillionLinesToADeadSinkDelayNobodyAndAreCounted) {
  sink_.set_mood(Mood::kWaits);
  ASSERT_EQ(start(nullptr), 0);
  constexpr int kLines = 1'000'000;
  node_.deliver(PTYPE_TEXT, "first", 0x0b);
  ASSERT_TRUE(sink_.wait_until_blocked());
  for (int number = 1; number < kLines; ++number) node_.deliver(PTYPE_TEXT, "line", 0x0b);
  sink_.set_mood(Mood::kTakes);
  EXPECT_TRUE(sink_.wait_for_text(std::to_string(kLines - 65536) + " log lines dropped"));
}

}  // namespace
}  // namespace skyloom::services
