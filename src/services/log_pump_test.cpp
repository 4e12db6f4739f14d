#include "services/log_pump.hpp"

#include <gtest/gtest.h>

#include "testing/fake_sink.hpp"

namespace skyloom::services {
namespace {

using testing::FakeSink;
using testing::kSinkDeadline;
using Mood = FakeSink::Mood;
using base::Millis;

class LogPumpTest : public ::testing::Test {
 protected:
  LogPumpTest() {
    options_.lost_line = [](uint64_t lines) { return std::to_string(lines) + " lost\n"; };
    options_.reopen_failed_line = [](std::string_view why) {
      return "not reopened: " + std::string(why) + "\n";
    };
    options_.flush_deadline = std::chrono::duration_cast<Millis>(kSinkDeadline);
    options_.retry_delay_min = Millis(1);
  }
  ~LogPumpTest() override {
    sink_.set_mood(Mood::kTakes);
    pump_.reset();
    EXPECT_TRUE(sink_.wait_until_released());
  }
  void start() {
    pump_ = LogPump::create(sink_.writer(), options_);
    ASSERT_NE(pump_, nullptr);
  }

  FakeSink sink_;
  LogPumpOptions options_;
  std::unique_ptr<LogPump> pump_;
};

TEST_F(LogPumpTest, LinesArriveInOrderHoweverSmallTheWritesAre) {
  sink_.set_piece(1);
  start();
  std::string expected;
  for (int number = 0; number < 300; ++number) {
    const std::string line = std::to_string(number) + "\n";
    EXPECT_TRUE(pump_->push(line));
    expected += line;
  }
  EXPECT_TRUE(pump_->stop());
  EXPECT_EQ(sink_.text(), expected);
}

TEST_F(LogPumpTest, ALineIsWrittenWithoutWaitingForMore) {
  start();
  EXPECT_TRUE(pump_->push("alone\n"));
  EXPECT_TRUE(sink_.wait_for_text("alone\n"));
}

TEST_F(LogPumpTest, ASlowSinkCostsExactlyTheLinesAboveTheLimitAndTheirNumberIsLogged) {
  options_.lines_max = 10;
  sink_.set_mood(Mood::kWaits);
  start();
  EXPECT_TRUE(pump_->push("0\n"));
  ASSERT_TRUE(sink_.wait_until_blocked());  // the first line is in flight, and counts
  std::string expected = "0\n";
  for (int number = 1; number < 10; ++number) {
    const std::string line = std::to_string(number) + "\n";
    EXPECT_TRUE(pump_->push(line)) << number;
    expected += line;
  }
  for (int number = 0; number < 5; ++number) EXPECT_FALSE(pump_->push("too many\n"));
  sink_.set_mood(Mood::kTakes);
  EXPECT_TRUE(sink_.wait_for_text("5 lost\n"));
  EXPECT_TRUE(pump_->push("again\n"));
  EXPECT_TRUE(pump_->stop());
  EXPECT_EQ(sink_.text(), expected + "5 lost\nagain\n");
}

TEST_F(LogPumpTest, NoLineLimitStillHasALimitOfBytes) {
  options_.lines_max = 0;
  options_.bytes_max = 100;
  sink_.set_mood(Mood::kWaits);
  start();
  EXPECT_TRUE(pump_->push(std::string(60, 'a')));
  EXPECT_TRUE(pump_->push(std::string(40, 'b')));
  EXPECT_FALSE(pump_->push("c"));
}

TEST_F(LogPumpTest, ALineAboveTheLimitOfBytesPassesAlone) {
  options_.bytes_max = 100;
  start();
  EXPECT_TRUE(pump_->push(std::string(1000, 'a') + "\n"));
  EXPECT_TRUE(pump_->stop());
  EXPECT_EQ(sink_.text().size(), 1001u);
}

TEST_F(LogPumpTest, AFullDiskLosesLinesAndTellsTheirNumberWhenThereIsRoomAgain) {
  sink_.set_mood(Mood::kFails);
  start();
  for (int number = 0; number < 3; ++number) (void)pump_->push("gone\n");
  ASSERT_TRUE(sink_.wait_for_failures(3));
  sink_.set_mood(Mood::kTakes);
  // Nobody logs anything more: the pump finds out by itself.
  ASSERT_TRUE(sink_.wait_for_text(" lost\n"));
  EXPECT_TRUE(pump_->stop());
  EXPECT_TRUE(sink_.text() == "3 lost\n" || sink_.text().find("gone") != std::string::npos)
      << sink_.text();
}

TEST_F(LogPumpTest, ALineTornByAFullDiskIsEndedBeforeTheNextOne) {
  sink_.fail_after(3);
  start();
  EXPECT_TRUE(pump_->push("torn line\n"));
  ASSERT_TRUE(sink_.wait_for_failures(2));  // the line and its report
  sink_.fail_after(SIZE_MAX);
  ASSERT_TRUE(sink_.wait_for_text("1 lost\n"));
  EXPECT_TRUE(pump_->push("next\n"));
  EXPECT_TRUE(pump_->stop());
  EXPECT_EQ(sink_.text(), "tor\n1 lost\nnext\n");
}

TEST_F(LogPumpTest, ReopeningTakesPlaceBetweenTheLinesAroundIt) {
  sink_.set_mood(Mood::kWaits);
  start();
  EXPECT_TRUE(pump_->push("first\n"));
  ASSERT_TRUE(sink_.wait_until_blocked());
  EXPECT_TRUE(pump_->push("before\n"));
  pump_->reopen();
  pump_->reopen();
  EXPECT_TRUE(pump_->push("after\n"));
  sink_.set_mood(Mood::kTakes);
  EXPECT_TRUE(pump_->stop());
  EXPECT_EQ(sink_.text(), "first\nbefore\n<reopened>\nafter\n");
}

TEST_F(LogPumpTest, AReopeningWithoutAnyLineIsDone) {
  start();
  pump_->reopen();
  EXPECT_TRUE(sink_.wait_for_text("<reopened>\n"));
}

TEST_F(LogPumpTest, AFailedReopeningIsLoggedToTheOldFile) {
  start();
  sink_.refuse_to_open(true);
  pump_->reopen();
  EXPECT_TRUE(sink_.wait_for_text("not reopened: Permission denied\n"));
  EXPECT_TRUE(pump_->push("on\n"));
  EXPECT_TRUE(pump_->stop());
  EXPECT_TRUE(sink_.text().ends_with("on\n"));
}

TEST_F(LogPumpTest, StoppingWritesWhatIsQueued) {
  sink_.set_mood(Mood::kWaits);
  start();
  for (int number = 0; number < 1000; ++number) EXPECT_TRUE(pump_->push("line\n"));
  sink_.set_mood(Mood::kTakes);
  EXPECT_TRUE(pump_->stop());
  EXPECT_EQ(sink_.text().size(), 5000u);
}

TEST_F(LogPumpTest, StoppingGivesUpOnASinkThatNobodyReads) {
  options_.flush_deadline = Millis(10);
  sink_.set_mood(Mood::kWaits);
  start();
  EXPECT_TRUE(pump_->push("unread\n"));
  EXPECT_FALSE(pump_->stop());
  EXPECT_TRUE(sink_.wait_until_released()) << "the thread was joined";
}

TEST_F(LogPumpTest, StoppingLeavesAThreadBehindThatHangsInTheKernel) {
  options_.flush_deadline = Millis(10);
  options_.lost_line = [](uint64_t) -> std::string {
    ADD_FAILURE() << "a thread that was left behind asked the node";
    return {};
  };
  sink_.set_mood(Mood::kHangs);
  start();
  EXPECT_TRUE(pump_->push("stuck\n"));
  ASSERT_TRUE(sink_.wait_until_blocked());
  EXPECT_FALSE(pump_->stop());
  sink_.set_mood(Mood::kFails);
  EXPECT_TRUE(sink_.wait_until_released()) << "it frees what it had when it gets away";
}

TEST_F(LogPumpTest, StoppingWithADeadSinkEndsAtOnceAndSaysThatLinesWereLost) {
  sink_.set_mood(Mood::kFails);
  options_.retry_delay_min = options_.retry_delay_max = Millis(3'600'000);
  start();
  EXPECT_TRUE(pump_->push("gone\n"));
  ASSERT_TRUE(sink_.wait_for_failures(1));
  EXPECT_FALSE(pump_->stop());
}

}  // namespace
}  // namespace skyloom::services
