// Scenarios K36..K38 and K40: sessions and handles that wrap, mailboxes that grow, and timers
// against a reference model.
#include <gmock/gmock.h>
#include <malloc.h>

#include <map>
#include <set>

#include "actor/test_support.hpp"
#include "figures.hpp"
#include "testing/fake_clock.hpp"
#include "testing/test_random.hpp"

namespace skyloom::scenarios {
namespace {

using actor::kTypeError;
using actor::kTypeLua;
using actor::kTypeResponse;
using actor::kTypeText;
using actor::Message;
using actor::PushMode;
using actor::Service;
using actor::System;
using actor::test::Handler;
using actor::test::Probe;
using actor::test::Record;
using actor::test::Seen;
using actor::test::spawn;

constexpr int kAllocSession = actor::kTagAllocSession;

class Kernel : public ::testing::TestWithParam<uint32_t> {  // workers; 0: on the test's thread
 protected:
  void make_system(const actor::Options& options) {
    system_ = std::make_unique<System>(options, clock_, hooks_, nullptr);
    actor::test::register_probe(*system_);
  }
  void run() {
    if (GetParam() == 0) {
      system_->run_until_idle();
      return;
    }
    ASSERT_TRUE(system_->start());
  }

  actor::test::TestClock clock_;
  actor::Hooks hooks_;
  std::unique_ptr<System> system_;
};

INSTANTIATE_TEST_SUITE_P(Scenarios, Kernel, ::testing::Values(0u, 1u, 4u), [](const auto& setting) {
  return setting.param == 0 ? std::string("ByHand") : std::to_string(setting.param) + "Workers";
});

// What a caller asked, by session.
struct Caller {
  System& system;
  uint32_t echo = 0;
  uint32_t holder = 0;
  size_t calls_left = 0;
  std::map<int, std::string> asked;
  std::set<int> held;
  size_t wrong = 0;
  size_t timers = 0;
  bool wrapped = false;
  std::atomic<bool> done{false};

  void call(Service& self) {
    if (calls_left == 0) return;
    --calls_left;
    std::string text = "call " + std::to_string(calls_left);
    if (calls_left % 10 == 0) {  // a timer has a session of its own
      const int session = self.next_session();
      if (session <= 0 || asked.contains(session) || held.contains(session)) ++wrong;
      asked[session] = "";
      if (system.timeout(self.handle(), 0, session) != session) ++wrong;
      return;
    }
    const int session =
        system.send(self, 0, echo, kTypeLua | kAllocSession, 0, text.data(), text.size());
    if (session <= 0 || asked.contains(session) || held.contains(session)) ++wrong;
    wrapped = wrapped || session < 1000;
    asked[session] = std::move(text);
  }
  void on_message(Service& self, const Seen& seen) {
    if (seen.type == kTypeText) {  // begin
      self.set_session_for_test(INT32_MAX - 1000);
      for (int count = 0; count < 10; ++count) {
        char question[] = "never answered";
        held.insert(
            system.send(self, 0, holder, kTypeLua | kAllocSession, 0, question, sizeof question));
      }
      for (int count = 0; count < 50; ++count) call(self);
      return;
    }
    const auto found = asked.find(seen.session);
    if (seen.type != kTypeResponse || found == asked.end() || found->second != seen.text) ++wrong;
    if (found == asked.end()) return;
    if (found->second.empty()) ++timers;
    asked.erase(found);
    call(self);
    if (asked.empty() && calls_left == 0) done = true;
  }
};

TEST_P(Kernel, K36_EveryAnswerReachesItsOwnCallerAcrossTheWrapOfSessions) {
  make_system(actor::test::options_with(GetParam()));
  const size_t calls = full_or<size_t>(5'000'000, 50'000);
  Caller caller{.system = *system_, .calls_left = calls};
  Record held;
  caller.holder = spawn(*system_, held.handler());
  caller.echo = spawn(*system_, [&](Service& self, const Seen& seen) {
    system_->send(self, 0, seen.source, kTypeResponse, seen.session,
                  const_cast<char*>(seen.text.data()), seen.text.size());
  });
  const uint32_t handle =
      spawn(*system_, [&](Service& self, const Seen& seen) { caller.on_message(self, seen); });
  system_->push(handle, actor::test::text_message("begin"));
  run();
  if (GetParam() != 0) {
    EXPECT_TRUE(system_->wait_until_quiet(actor::test::kPatience));
  }
  EXPECT_TRUE(caller.done);
  EXPECT_EQ(caller.wrong, 0u);
  EXPECT_TRUE(caller.wrapped) << "the counter did not wrap";
  EXPECT_EQ(caller.timers, calls / 10);
  EXPECT_EQ(held.size(), 10u);
  EXPECT_EQ(caller.held.size(), 10u);
  system_.reset();
}

TEST_P(Kernel, K37_LiveHandlesAreNeverGivenOutAgainAndTheirServicesAnswer) {
  make_system(actor::test::options_with(0));
  std::vector<uint32_t> survivors;
  std::vector<Record> records(6);
  for (Record& record : records) survivors.push_back(spawn(*system_, record.handler()));
  const size_t births = full_or<size_t>(16'700'000 / 3, 16'700'000 / 300);  // a third per setting
  // Past the wrap of 24 bits, also when only few are born.
  if (GetParam() != 0) {
    system_->set_next_handle_for_test(static_cast<uint32_t>(0x1000000 - births / 2));
  }
  uint32_t last = 0;
  size_t wraps = 0;
  for (size_t count = 0; count < births; ++count) {
    const uint32_t handle = spawn(*system_, Handler{});
    ASSERT_NE(handle, 0u);
    ASSERT_EQ(std::count(survivors.begin(), survivors.end(), handle), 0) << "it is alive";
    wraps += handle < last ? 1 : 0;
    last = handle;
    ASSERT_TRUE(system_->kill(handle, survivors[0]));
    if (count % 64 == 0) system_->run_until_idle();
  }
  EXPECT_EQ(wraps, GetParam() != 0 ? 1u : 0u);
  system_->run_until_idle();
  EXPECT_EQ(system_->service_count(), survivors.size());
  for (size_t index = 0; index < survivors.size(); ++index) {
    system_->push(survivors[index], actor::test::text_message("are you there"));
    system_->run_until_idle();
    EXPECT_TRUE(records[index].has_text("are you there"));
  }
}

// --- K38

class Growth : public ::testing::Test {
 protected:
  Growth() {
    options_.workers = 0;
    options_.limits.mailbox.messages_max = full_or<size_t>(1'000'000, 10'000);
    system_ = std::make_unique<System>(options_, clock_, hooks_, nullptr);
    actor::test::register_probe(*system_);
    actor::test::spawn_logger(*system_, log_);
  }
  std::vector<size_t> overload_lines() const {
    std::vector<size_t> lengths;
    for (const Seen& line : log_.all()) {
      const size_t at = line.text.find("queue length = ");
      if (at != std::string::npos) lengths.push_back(std::stoul(line.text.substr(at + 15)));
    }
    return lengths;
  }

  actor::test::TestClock clock_;
  actor::Hooks hooks_;
  actor::Options options_;
  std::unique_ptr<System> system_;
  Record log_;
  uint32_t slow_ = 0;
};

TEST_F(Growth, K38_TheLimitOfAMailboxHoldsAndItsMemoryIsGivenBack) {
  const size_t limit = options_.limits.mailbox.messages_max;
  const size_t messages = full_or<size_t>(10'000'000, 100'000);
  Record errors;
  Service* sender = nullptr;
  const uint32_t from = spawn(*system_, Probe{errors.handler(),
                                              [&](Service& self, const char*) {
                                                sender = &self;
                                                return 0;
                                              },
                                              {},
                                              {}});
  size_t handled = 0;
  size_t accepted = 0;
  size_t refused = 0;
  size_t with_session = 0;
  const size_t memory_before = mallinfo2().uordblks;  // 0 under a sanitizer
  size_t memory_full = 0;
  const uint32_t slow = spawn(*system_, [&](Service&, const Seen&) {
    if (++handled != 1) return;
    // It does not return from its first message while all of this is sent to it.
    for (size_t count = 0; count < messages; ++count) {
      const bool asks = count % 1000 == 999;
      const int session = asks ? static_cast<int>(count) : 0;
      char payload[] = "payload";
      const int sent =
          system_->send(*sender, from, slow_, kTypeLua, session, payload, sizeof payload);
      (sent < 0 ? refused : accepted) += 1;
      with_session += sent < 0 && asks ? 1 : 0;
      ASSERT_EQ(sent < 0, accepted >= limit && count >= limit) << count;
    }
    memory_full = mallinfo2().uordblks;
  });
  slow_ = slow;
  system_->push(slow, actor::test::text_message("begin"));
  system_->run_until_idle();
  EXPECT_EQ(accepted, limit);
  EXPECT_EQ(refused, messages - limit);
  EXPECT_EQ(handled, 1 + limit);
  size_t answers = 0;
  for (const Seen& seen : errors.all()) answers += seen.type == kTypeError ? 1 : 0;
  EXPECT_EQ(answers, with_session) << "every refused request with a session is answered";
  EXPECT_GE(overload_lines().size(), 1u);
  const size_t memory_after = mallinfo2().uordblks;
  // What the test itself keeps: the answers and the log.
  const size_t kept = (errors.size() + log_.size()) * 256 + (256u << 10);
  EXPECT_LE(memory_after, memory_before + kept);
  // A ring of 32 bytes per message that doubles, and a block per message.
  EXPECT_LE(memory_full, memory_before + limit * 160 + kept);
}

TEST_F(Growth, K38_OverloadIsToldAtEachDoublingOfTheLength) {
  uint32_t slow = 0;
  size_t handled = 0;
  size_t sent = 0;
  // Three come for each that goes.
  slow = spawn(*system_, [&](Service& self, const Seen&) {
    ++handled;
    for (int times = 0; times < 3 && sent < 9'000; ++times, ++sent) {
      char payload[] = "x";
      (void)system_->send(self, 0, slow, kTypeLua, 0, payload, sizeof payload);
    }
  });
  system_->push(slow, actor::test::text_message("begin"));
  system_->run_until_idle();
  EXPECT_EQ(handled, sent + 1);
  const std::vector<size_t> lengths = overload_lines();
  ASSERT_EQ(lengths.size(), 3u) << ::testing::PrintToString(lengths);  // of 6,000 at most
  size_t threshold = options_.limits.mailbox.messages_warn;
  for (const size_t length : lengths) {
    EXPECT_GT(length, threshold);
    EXPECT_LE(length, threshold + 3 * actor::kSliceMessagesMax);
    threshold *= 2;
  }
}

// --- K40

TEST(TimerModel, K40_NoTimerIsEarlyOrLostAndEqualTicksKeepTheirOrder) {
  testing::TestRandom random;
  testing::FakeClock clock;
  actor::Hooks hooks;
  System system(actor::test::options_with(0), clock, hooks, nullptr);
  actor::test::register_probe(system);
  std::vector<int> fired;
  Service* self = nullptr;
  const uint32_t handle =
      spawn(system, Probe{[&](Service&, const Seen& seen) { fired.push_back(seen.session); },
                          [&](Service& service, const char*) {
                            self = &service;
                            return 0;
                          },
                          {},
                          {}});
  ASSERT_NE(self, nullptr);
  // To the wrap of a counter of 32 bits, soon to be passed.
  clock.advance(std::chrono::milliseconds(((int64_t{1} << 32) - 50'000) * 10));
  std::map<std::pair<uint64_t, int>, int> model;  // tick and order of setting -> session
  int order = 0;
  int session = 0;
  const size_t steps = full_or<size_t>(1'000'000, 20'000);
  for (size_t step = 0; step < steps; ++step) {
    const uint64_t now = system.now();
    switch (random.below(8u)) {
      case 0:
      case 1:
      case 2: {
        static constexpr std::array<int, 6> kSpans = {1, 3, 300, 5'000, 100'000, 10'000'000};
        const int after = 1 + random.below(kSpans[random.below(kSpans.size())]);
        ++session;
        ASSERT_EQ(system.timeout(handle, after, session), session);
        model[{now + static_cast<uint64_t>(after), order++}] = session;
        break;
      }
      case 3: clock.advance(std::chrono::milliseconds(random.below(50))); break;
      case 4: clock.advance(std::chrono::seconds(random.below(20))); break;
      case 5:  // the wall jumps by up to an hour, either way
        clock.set_wall(clock.wall() + std::chrono::seconds(random.below(7200) - 3600));
        break;
      default: break;
    }
    ASSERT_GE(system.now(), now) << "a jump of the wall moved the timer's clock";
    system.run_until_idle();
    std::vector<int> due;
    const uint64_t later = system.now();
    while (!model.empty() && model.begin()->first.first <= later) {
      due.push_back(model.begin()->second);
      model.erase(model.begin());
    }
    ASSERT_EQ(fired, due) << "step " << step << ", tick " << later;
    fired.clear();
  }
  clock.advance(std::chrono::hours(48));
  system.run_until_idle();
  EXPECT_EQ(fired.size(), model.size());
  EXPECT_GT(system.now(), uint64_t{1} << 32);
}

}  // namespace
}  // namespace skyloom::scenarios
