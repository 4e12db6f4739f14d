#include <cerrno>
#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "base/memory.hpp"
#include "net/resolver.hpp"
#include "os/lookup.hpp"

namespace skyloom::net {
namespace {

using base::Errc;
using base::Error;
using base::Result;

constexpr size_t kThreadsMax = 128;  // so many lookups may hang before others wait
constexpr size_t kThreadsKept = 4;   // when there is nothing to do

struct Lookup {
  std::string host;
  std::function<void(Result<Addresses>)> done;
};

using Threads = std::list<std::thread>;

// Shared with the threads, because getaddrinfo cannot be interrupted: a thread that hangs in it
// when the resolver goes must find its queue still there (docs/adr/0009).
struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Lookup> waiting;
  Threads idle;
  Threads busy;
  std::thread leaving;  // joined by the next one that leaves, or by close()
  bool closed = false;

  size_t threads() const { return idle.size() + busy.size(); }
  bool wants_thread() const { return !waiting.empty() && idle.empty() && threads() < kThreadsMax; }
};

void serve(const std::shared_ptr<Queue>& queue, Threads::iterator self);  // ADR 0009

// With the mutex held. False: the system has no more threads, or memory, for us.
bool add_thread(const std::shared_ptr<Queue>& queue) noexcept {  // ADR 0009
  Threads one;
  try {
    one.emplace_front();
    one.front() = std::thread(serve, queue, one.begin());
  } catch (const std::exception&) {
    return false;
  }
  queue->idle.splice(queue->idle.end(), one);
  return true;
}

void serve(const std::shared_ptr<Queue>& queue, Threads::iterator self) {  // ADR 0009
  os::stop_preempting();  // an answer in a second or two is in time; a packet's is not
  std::unique_lock lock(queue->mutex);
  for (;;) {
    queue->changed.wait(lock, [&] { return queue->closed || !queue->waiting.empty(); });
    if (queue->closed) return;
    Lookup lookup = std::move(queue->waiting.front());
    queue->waiting.pop_front();
    queue->busy.splice(queue->busy.end(), queue->idle, self);
    // The next thread is started here: a hundred new names cost whoever asks for them one.
    if (queue->wants_thread()) (void)add_thread(queue);
    lock.unlock();
    Result<Addresses> found = Error::from_errno(ENOMEM);
    (void)base::try_allocate([&] { found = os::lookup(lookup.host); });
    lock.lock();
    if (queue->closed) return;  // nobody is left who could be told
    queue->idle.splice(queue->idle.end(), queue->busy, self);
    lookup.done(std::move(found));
    if (queue->waiting.empty() && queue->threads() > kThreadsKept) {
      std::thread before = std::exchange(queue->leaving, std::move(*self));
      queue->idle.erase(self);
      lock.unlock();
      if (before.joinable()) before.join();
      return;
    }
  }
}

class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(size_t lookups_max) : lookups_max_(lookups_max) {}

  ~SystemResolver() override { close(); }

  // Joins what does not hang: what ends beside the process may still hold the C library's memory.
  void close() noexcept override {
    Threads ending;
    {
      const std::lock_guard lock(queue_->mutex);  // answers are given under it
      queue_->closed = true;
      queue_->waiting.clear();
      queue_->changed.notify_all();
      for (std::thread& thread : queue_->busy) thread.detach();
      queue_->busy.clear();
      ending.swap(queue_->idle);
    }
    for (std::thread& thread : ending) thread.join();
    if (queue_->leaving.joinable()) queue_->leaving.join();
  }

  void resolve(std::string host, std::function<void(Result<Addresses>)> done) override {
    std::unique_lock lock(queue_->mutex);
    if (lookups_max_ != 0 && queue_->waiting.size() + queue_->busy.size() >= lookups_max_) {
      lock.unlock();
      done(Error::of(Errc::kDnsQueueFull));
      return;
    }
    queue_->waiting.push_back({std::move(host), std::move(done)});
    if (queue_->wants_thread() && !add_thread(queue_) && queue_->threads() == 0) {
      Lookup lookup = std::move(queue_->waiting.back());
      queue_->waiting.pop_back();
      lock.unlock();
      lookup.done(Error::from_errno(EAGAIN));  // nobody could answer it
      return;
    }
    queue_->changed.notify_one();
  }

 private:
  const size_t lookups_max_;
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();  // ADR 0009
};

}  // namespace

std::unique_ptr<Resolver> make_system_resolver(size_t lookups_max) {
  return std::make_unique<SystemResolver>(lookups_max);
}

}  // namespace skyloom::net
