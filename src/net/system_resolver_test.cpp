// The system's resolver against a name service that does not answer: getaddrinfo() of this program.
#include <gtest/gtest.h>
#include <netdb.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "net/resolver.hpp"

namespace {

std::mutex mutex;
std::condition_variable changed;
bool is_hanging = true;
size_t begun = 0;
size_t ended = 0;  // threads that looked a name up and are no more

void hang() {
  const std::lock_guard lock(mutex);
  is_hanging = true;
  begun = ended = 0;
}

struct TellsTheEndOfItsThread {
  ~TellsTheEndOfItsThread() {
    // Long enough for who does not wait for it to be seen.
    for (int turn = 0; turn < 1000; ++turn) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    ++ended;
    changed.notify_all();
  }
};

}  // namespace

// Takes the place of the C library's.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) {
  thread_local const TellsTheEndOfItsThread teller;
  std::unique_lock lock(mutex);
  ++begun;
  changed.notify_all();
  changed.wait(lock, [] { return !is_hanging; });
  return EAI_NONAME;
}

namespace skyloom::net {
namespace {

TEST(SystemResolver, TakesExactlyAsManyLookupsAsItMayAndRefusesTheNextOneAtOnce) {
  constexpr size_t kMax = 3;
  hang();
  auto resolver = make_system_resolver(kMax);
  size_t answers = 0;
  size_t refusals = 0;
  const auto done = [&](const base::Result<Addresses>& found) {
    const std::lock_guard lock(mutex);
    ++(!found && found.error().is(base::Errc::kDnsQueueFull) ? refusals : answers);
    changed.notify_all();
  };
  for (size_t count = 1; count <= kMax + 1; ++count) {
    resolver->resolve("name.example", done);
    const std::lock_guard lock(mutex);
    EXPECT_EQ(refusals, count <= kMax ? 0u : 1u) << count;
    EXPECT_EQ(answers, 0u);
  }
  {
    std::unique_lock lock(mutex);
    is_hanging = false;
    changed.notify_all();
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return answers == kMax; }));
    EXPECT_EQ(refusals, 1u);
  }
  resolver->close();
}

// Only the first thread is started by who asks: one that takes a name starts the next.
TEST(SystemResolver, BeginsAHundredLookupsAlthoughEveryOneOfThemHangs) {
  constexpr size_t kLookups = 100;
  hang();
  size_t answers = 0;
  auto resolver = make_system_resolver(0);
  for (size_t count = 0; count < kLookups; ++count) {
    resolver->resolve("name.example", [&](const base::Result<Addresses>& found) {
      const std::lock_guard done(mutex);
      EXPECT_FALSE(found);
      ++answers;
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [] { return begun == kLookups; }))
      << begun << " of " << kLookups << " were begun";
  EXPECT_EQ(answers, 0u);
  is_hanging = false;
  changed.notify_all();
  EXPECT_TRUE(
      changed.wait_for(lock, std::chrono::seconds(60), [&] { return answers == kLookups; }));
  lock.unlock();
  resolver->close();
}

// A thread on its way out holds what the C library kept for it, which a leak check at the end of
// the process takes for lost (it failed one run of many).
void expect_only_the_hanging_one_left(size_t lookups) {
  size_t answers = 0;
  const auto resolver = make_system_resolver(0);
  hang();
  std::unique_lock lock(mutex, std::defer_lock);
  const auto ask = [&] {
    resolver->resolve("name.example", [&](const base::Result<Addresses>&) {
      const std::lock_guard done(mutex);
      ++answers;
      changed.notify_all();
    });
  };
  const auto wait_for = [&](size_t& figure, size_t expected) {
    EXPECT_TRUE(
        changed.wait_for(lock, std::chrono::seconds(60), [&] { return figure == expected; }))
        << figure << " instead of " << expected;
  };
  for (size_t count = 0; count < lookups; ++count) ask();
  lock.lock();
  wait_for(begun, lookups);
  is_hanging = false;
  changed.notify_all();
  wait_for(answers, lookups);
  is_hanging = true;
  lock.unlock();
  ask();  // hangs until the resolver is closed, which does not wait for it
  lock.lock();
  wait_for(begun, lookups + 1);
  lock.unlock();
  resolver->close();
  lock.lock();
  EXPECT_EQ(ended, lookups - 1);
  is_hanging = false;
  changed.notify_all();
  wait_for(ended, lookups);
  EXPECT_EQ(answers, lookups);
}

TEST(SystemResolver, ThreadsThatWaitForANameHaveEndedWhenItIsClosed) {
  expect_only_the_hanging_one_left(4);  // all of them are kept
}

TEST(SystemResolver, ThreadsThatAreTooManyHaveEndedWhenItIsClosed) {
  expect_only_the_hanging_one_left(20);
}

}  // namespace
}  // namespace skyloom::net
