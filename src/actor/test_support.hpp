// What the tests of this folder share: a clock they set, services made of lambdas, a log they read.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actor/command.hpp"
#include "actor/system.hpp"

namespace skyloom::actor::test {

using namespace std::chrono_literals;

inline constexpr base::Nanos kPatience =
    std::chrono::seconds(60);  // a deadline for what must happen anyway

class TestClock final : public base::Clock {
 public:
  base::Nanos now() const noexcept override { return base::Nanos(now_.load()); }
  base::Nanos wall() const noexcept override { return base::Nanos(wall_.load()); }
  void advance(base::Nanos time) {
    now_.fetch_add(time.count());
    wall_.fetch_add(time.count());
  }
  void jump_wall(base::Nanos time) { wall_.fetch_add(time.count()); }

 private:
  std::atomic<int64_t> now_{base::Nanos(5s).count()};
  std::atomic<int64_t> wall_{base::Nanos(1'700'000'000s + 250ms).count()};
};

// A message as a test looks at it.
struct Seen {
  int type = 0;
  int session = 0;
  uint32_t source = 0;
  std::string text;
  friend bool operator==(const Seen&, const Seen&) = default;
};

using Handler = std::function<void(Service& self, const Seen& message)>;
using Starter = std::function<int(Service& self, const char* arguments)>;

// The module "probe": a service whose behaviour is a lambda.
struct Probe {
  Handler handler;
  Starter starter;
  std::function<void()> on_release;
  std::function<void(int)> on_signal;

  static inline thread_local Probe* next = nullptr;  // what the next launch on this thread becomes

  static void* create() { return std::exchange(next, nullptr); }
  static int init(void* instance, skynet_context* context, const char* arguments) {
    auto* self = static_cast<Probe*>(instance);
    Service& service = to_service(context);
    service.set_callback(on_message, self);
    return self->starter ? self->starter(service, arguments) : 0;
  }
  static void release(void* instance) {
    auto* self = static_cast<Probe*>(instance);
    if (self->on_release) self->on_release();
    delete self;
  }
  static void signal(void* instance, int number) {
    auto* self = static_cast<Probe*>(instance);
    if (self->on_signal) self->on_signal(number);
  }
  static int on_message(skynet_context* context, void* user, int type, int session, uint32_t source,
                        const void* data, size_t size) {
    auto* self = static_cast<Probe*>(user);
    Seen seen{type, session, source, {}};
    if (data != nullptr) seen.text.assign(static_cast<const char*>(data), size);
    if (self->handler) self->handler(to_service(context), seen);
    return 0;
  }
};

inline void register_probe(System& system) {
  system.modules().register_builtin("probe",
                                    {Probe::create, Probe::init, Probe::release, Probe::signal});
}

inline uint32_t spawn(System& system, Probe probe, const char* arguments = nullptr) {
  Probe::next = new Probe(std::move(probe));
  const uint32_t handle = system.launch("probe", arguments);
  delete std::exchange(Probe::next, nullptr);  // when nothing was created
  return handle;
}
inline uint32_t spawn(System& system, Handler handler) {
  return spawn(system, Probe{std::move(handler), {}, {}, {}});
}

// Collects messages; any thread.
class Record {
 public:
  void add(const Seen& seen) {
    std::lock_guard lock(mutex_);
    seen_.push_back(seen);
  }
  std::vector<Seen> all() const {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  size_t size() const { return all().size(); }
  bool has_text(std::string_view text) const {
    for (const Seen& seen : all()) {
      if (seen.text == text) return true;
    }
    return false;
  }
  Handler handler() {
    return [this](Service&, const Seen& seen) { add(seen); };
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

// Starts a service named "logger" that records the log.
inline uint32_t spawn_logger(System& system, Record& log) {
  const uint32_t logger = spawn(system, log.handler());
  system.register_name("logger", logger);
  return logger;
}

inline base::Block block_of(std::string_view text) {
  base::Block block = base::make_block(text.size());
  std::copy(text.begin(), text.end(), block.get());
  return block;
}
inline Message text_message(std::string_view text, int type = kTypeText, uint32_t source = 0,
                            int session = 0) {
  return Message(type, source, session, block_of(text), text.size());
}

inline Options options_with(uint32_t workers) {
  Options options;
  options.workers = workers;
  return options;
}

}  // namespace skyloom::actor::test
