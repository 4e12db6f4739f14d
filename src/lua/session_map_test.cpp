#include "lua/session_map.hpp"

#include <gtest/gtest.h>

#include <map>

#include "lua/host.hpp"
#include "testing/test_random.hpp"

namespace skyloom::lua {
namespace {

Coroutine* mark(int number) {
  return reinterpret_cast<Coroutine*>(static_cast<uintptr_t>(number) * 16);
}

TEST(SessionMap, HoldsWhatAMapHolds) {
  testing::TestRandom random;
  Host host;
  {
    SessionMap sessions(host);
    std::map<int, Coroutine*> model;
    for (int step = 0; step < 50000; ++step) {
      // Few numbers, far apart and near the end of their range: many collide.
      const int session =
          static_cast<int>(1 + random.below(64)) * (random.below(2) == 0 ? 1 : 33554431);
      SessionMap::Slot* const slot = sessions.find(session);
      const auto known = model.find(session);
      ASSERT_EQ(slot != nullptr, known != model.end());
      if (slot != nullptr) {
        ASSERT_EQ(slot->coroutine, known->second);
        sessions.erase(slot);
        model.erase(known);
      } else {
        ASSERT_TRUE(sessions.insert(session, mark(step)));
        model[session] = mark(step);
      }
      ASSERT_EQ(sessions.count(), model.size());
    }
    size_t seen = 0;
    sessions.for_each([&](const SessionMap::Slot& slot) {
      EXPECT_EQ(model.at(slot.session), slot.coroutine);
      ++seen;
    });
    EXPECT_EQ(seen, model.size());
    EXPECT_EQ(sessions.find(0), nullptr);
    EXPECT_EQ(sessions.find(-5), nullptr);
    EXPECT_GT(host.memory().bytes(), 0u);
  }
  EXPECT_EQ(host.memory().bytes(), 0u);
}

TEST(SessionMap, RefusesToGrowBeyondTheStatesMemory) {
  Host host;
  SessionMap sessions(host);
  host.memory().set_limit(1000);
  int taken = 0;
  while (sessions.insert(taken + 1, nullptr)) ++taken;
  EXPECT_GT(taken, 0);
  EXPECT_LE(host.memory().bytes(), 1000u);
  for (int session = 1; session <= taken; ++session) EXPECT_NE(sessions.find(session), nullptr);
}

}  // namespace
}  // namespace skyloom::lua
