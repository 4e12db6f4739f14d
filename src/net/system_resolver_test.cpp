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

}  // namespace

// Takes the place of the C library's.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) {
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

}  // namespace
}  // namespace skyloom::net
