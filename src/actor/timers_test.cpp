#include "actor/timers.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

namespace skyloom::actor {
namespace {

std::vector<Timers::Expired> expire_all(Timers& timers, int64_t now_cs) {
  std::vector<Timers::Expired> all;
  std::array<Timers::Expired, 5> some;
  for (;;) {
    const size_t count = timers.expire(now_cs, some);
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
    if (count < some.size()) return all;
  }
}

TEST(Timers, ReportsOnlyATimerThatTheSleeperWouldMiss) {
  Timers timers(100);
  TimerOwner owner;
  EXPECT_EQ(timers.set(owner, {1, 1}, 120, 0), Timers::Set::kSet);  // nobody sleeps
  EXPECT_EQ(timers.arm(), 120);
  EXPECT_EQ(timers.set(owner, {1, 2}, 120, 0), Timers::Set::kSet);
  EXPECT_EQ(timers.set(owner, {1, 3}, 119, 0), Timers::Set::kSetEarlier);
  EXPECT_EQ(timers.set(owner, {1, 4}, 119, 0), Timers::Set::kSet);
  expire_all(timers, 101);
  EXPECT_EQ(timers.set(owner, {1, 5}, 110, 0), Timers::Set::kSet);
  timers.cancel_all(owner);
  EXPECT_EQ(timers.arm(), std::nullopt);
  EXPECT_EQ(timers.set(owner, {1, 6}, 5000, 0), Timers::Set::kSetEarlier);
  timers.cancel_all(owner);
}

TEST(Timers, RefusesTheTimerBeyondTheOwnersLimit) {
  Timers timers(0);
  TimerOwner owner;
  TimerOwner other;
  EXPECT_EQ(timers.set(owner, {1, 1}, 10, 2), Timers::Set::kSet);
  EXPECT_EQ(timers.set(owner, {1, 2}, 10, 2), Timers::Set::kSet);
  EXPECT_EQ(timers.set(owner, {1, 3}, 10, 2), Timers::Set::kRefused);
  EXPECT_EQ(timers.set(other, {2, 3}, 10, 2), Timers::Set::kSet);
  EXPECT_TRUE(timers.cancel({1, 1}));
  EXPECT_EQ(timers.set(owner, {1, 4}, 10, 2), Timers::Set::kSet);
  EXPECT_EQ(expire_all(timers, 10).size(), 3u);
  EXPECT_EQ(timers.set(owner, {1, 5}, 20, 2), Timers::Set::kSet);
  EXPECT_EQ(timers.count(), 1u);
}

// K40: against a list sorted by deadline and order of setting, across 2^32 ticks.
TEST(Timers, MatchAModelAcrossTwoToThe32Ticks) {
  const uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return static_cast<int64_t>(random() % bound); };

  int64_t now = (int64_t{1} << 32) - 50'000;
  Timers timers(now);
  std::deque<TimerOwner> owners(4);
  struct Key {
    int64_t deadline;
    uint64_t order;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, Timers::Expired> model;
  uint64_t order = 0;
  int session = 0;
  for (int step = 0; step < 60'000; ++step) {
    const int64_t dice = below(100);
    if (dice < 55) {
      const uint64_t spread = uint64_t{1} << below(18);
      const int64_t deadline = now + 1 + below(spread);
      const Timers::Expired identity{static_cast<uint32_t>(1 + below(owners.size())), ++session};
      timers.set(owners[identity.handle - 1], identity, deadline, 0);
      model.emplace(Key{deadline, order++}, identity);
    } else if (dice < 70 && !model.empty()) {
      auto victim = model.begin();
      std::advance(victim, below(std::min<size_t>(model.size(), 20)));
      ASSERT_TRUE(timers.cancel(victim->second));
      ASSERT_FALSE(timers.cancel(victim->second));
      model.erase(victim);
    } else if (dice < 71) {
      const auto handle = static_cast<uint32_t>(1 + below(owners.size()));
      timers.cancel_all(owners[handle - 1]);
      std::erase_if(model, [&](const auto& entry) { return entry.second.handle == handle; });
    } else {
      now += below(uint64_t{1} << below(12));
      const std::optional<int64_t> next = timers.arm();
      if (!model.empty()) {
        ASSERT_LE(*next, model.begin()->first.deadline);
      }
      for (const Timers::Expired& expired : expire_all(timers, now)) {
        ASSERT_FALSE(model.empty());
        ASSERT_LE(model.begin()->first.deadline, now) << "early";
        ASSERT_EQ(expired.session, model.begin()->second.session) << "out of order";
        model.erase(model.begin());
      }
      ASSERT_TRUE(model.empty() || model.begin()->first.deadline > now) << "late";
    }
    ASSERT_EQ(timers.count(), model.size());
  }
  EXPECT_GT(now, int64_t{1} << 32);
  for (TimerOwner& owner : owners) timers.cancel_all(owner);
}

}  // namespace
}  // namespace skyloom::actor
