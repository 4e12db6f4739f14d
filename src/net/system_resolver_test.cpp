// The system's resolver against a name service that does not answer: getaddrinfo() of this program.
#include <gtest/gtest.h>
#include <netdb.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "net/resolver.hpp"

namespace {

std::mutex mutex;
std::condition_variable changed;
bool is_hanging = true;
size_t begun = 0;
size_t ended = 0;  // threads that looked a name up and are no more

struct TellsTheEndOfItsThread {
  ~TellsTheEndOfItsThread() {
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
  std::unique_lock lock(mutex);
  is_hanging = true;
  begun = 0;
  lock.unlock();
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
  lock.lock();
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
TEST(SystemResolver, WhatDoesNotHangHasEndedWhenItIsClosed) {
  constexpr size_t kLookups = 20;
  std::unique_lock lock(mutex);
  is_hanging = true;
  begun = ended = 0;
  size_t answers = 0;
  auto resolver = make_system_resolver(0);
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
  lock.unlock();
  for (size_t count = 0; count < kLookups; ++count) ask();
  lock.lock();
  wait_for(begun, kLookups);
  is_hanging = false;
  changed.notify_all();
  wait_for(answers, kLookups);
  is_hanging = true;
  lock.unlock();
  ask();  // hangs until the resolver is closed, which does not wait for it
  lock.lock();
  wait_for(begun, kLookups + 1);
  lock.unlock();
  resolver->close();
  lock.lock();
  EXPECT_EQ(ended, kLookups - 1);
  is_hanging = false;
  changed.notify_all();
  wait_for(ended, kLookups);
  EXPECT_EQ(answers, kLookups);
}

}  // namespace
}  // namespace skyloom::net
