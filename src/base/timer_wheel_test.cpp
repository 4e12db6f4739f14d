#include "base/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <vector>

#include "base/random.hpp"

namespace skyloom::base {
namespace {

struct NumberedTimer : Timer {
  int number = 0;
};

TEST(TimerWheel, ExpiresNothingEarly) {
  TimerWheel wheel(1000);
  Timer timer;
  wheel.set(timer, 1050);
  EXPECT_EQ(wheel.advance(1049), nullptr);
  EXPECT_EQ(wheel.advance(1050), &timer);
  EXPECT_FALSE(timer.is_set());
  EXPECT_TRUE(wheel.is_empty());
}

TEST(TimerWheel, ADeadlineInThePastExpiresAtOnce) {
  TimerWheel wheel(1000);
  Timer timer;
  wheel.set(timer, 3);
  EXPECT_EQ(wheel.next_ms(), 1000);
  EXPECT_EQ(wheel.advance(1000), &timer);
}

TEST(TimerWheel, ACancelledTimerNeverExpires) {
  TimerWheel wheel(0);
  Timer timer;
  wheel.set(timer, 5);
  wheel.cancel(timer);
  wheel.cancel(timer);
  EXPECT_EQ(wheel.next_ms(), std::nullopt);
  EXPECT_EQ(wheel.advance(100), nullptr);
}

TEST(TimerWheel, TheNextDeadlineIsExactWhenItIsNear) {
  TimerWheel wheel(0);
  Timer timer;
  wheel.set(timer, 1'000'000);
  int wakes = 0;
  int64_t now = 0;
  while (timer.is_set()) {
    const std::optional<int64_t> next = wheel.next_ms();
    ASSERT_TRUE(next.has_value());
    ASSERT_GT(*next, now);
    ASSERT_LE(*next, 1'000'000);
    now = *next;
    wheel.advance(now);
    ++wakes;
  }
  EXPECT_EQ(now, 1'000'000);
  EXPECT_LE(wakes, 6);  // one for each level that the timer falls through
}

TEST(TimerWheel, AgreesWithASortedMapOnRandomScripts) {
  const uint64_t seed = 20240607;
  RecordProperty("seed", std::to_string(seed));
  SeededRandom random(seed);
  for (int script = 0; script < 50; ++script) {
    int64_t now = static_cast<int64_t>(random.below(uint64_t{1} << 34));
    TimerWheel wheel(now);
    std::deque<NumberedTimer> timers;
    std::multimap<int64_t, NumberedTimer*> model;  // equal keys stay in the order of insertion
    for (int step = 0; step < 2000; ++step) {
      const uint64_t choice = random.below(10);
      if (choice < 6) {
        NumberedTimer& timer = timers.emplace_back();
        timer.number = step;
        const int64_t deadline =
            now + 1 + static_cast<int64_t>(random.below(1u << random.below(24)));
        wheel.set(timer, deadline);
        model.emplace(deadline, &timer);
      } else if (choice < 8 && !model.empty()) {
        auto victim = model.begin();
        std::advance(victim, static_cast<int64_t>(random.below(model.size())));
        wheel.cancel(*victim->second);
        model.erase(victim);
      } else {
        now += static_cast<int64_t>(random.below(1u << random.below(22)));
        while (Timer* expired = wheel.advance(now)) {
          ASSERT_FALSE(model.empty());
          ASSERT_LE(model.begin()->first, now);
          ASSERT_EQ(expired, model.begin()->second) << "script " << script << " step " << step;
          model.erase(model.begin());
        }
        ASSERT_TRUE(model.empty() || model.begin()->first > now);
      }
      ASSERT_EQ(wheel.count(), model.size());
      if (!model.empty()) {
        ASSERT_LE(*wheel.next_ms(), std::max(now, model.begin()->first));
      }
    }
    for (auto& [deadline, timer] : model) wheel.cancel(*timer);
  }
}

}  // namespace
}  // namespace skyloom::base
