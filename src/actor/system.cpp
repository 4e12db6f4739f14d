#include "actor/system.hpp"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "actor/dump.hpp"
#include "actor/service_scope.hpp"
#include "base/memory.hpp"

namespace skyloom::actor {
namespace {

constexpr size_t kExpiredBatch = 64;
constexpr base::Nanos kTick = std::chrono::milliseconds(10);  // a centisecond

thread_local Service* t_service = nullptr;
thread_local ThreadKind t_kind = ThreadKind::kWorker;

base::Nanos subsecond(base::Nanos wall) noexcept {
  return wall % std::chrono::seconds(1);
}

}  // namespace

ServiceScope::ServiceScope(Service& service) noexcept : outer_(t_service) {
  t_service = &service;
}
ServiceScope::~ServiceScope() {
  t_service = outer_;
}

void set_thread_kind(ThreadKind kind) noexcept {
  t_kind = kind;
}
Service* current_service() noexcept {
  return t_service;
}

uint32_t current_handle() noexcept {
  if (t_service != nullptr) return t_service->handle();
  return static_cast<uint32_t>(-static_cast<int32_t>(t_kind));
}

System::System(const Options& options, base::Clock& clock, Hooks& hooks, IdleWaiter* waiter)
    : options_(options),
      clock_(clock),
      hooks_(hooks),
      epoch_(clock.now() - subsecond(clock.wall())),
      starttime_(static_cast<uint32_t>(clock.wall() / std::chrono::seconds(1))),
      modules_(options.cpath),
      timers_(centiseconds(clock.now())),
      table_(kHandleMask),
      scheduler_({options.workers, options.monitor_interval, options.watch}, clock, *this, waiter) {
}

System::~System() {
  request_stop();
  join();
  retire_all();
  run_until_idle();
  if (const uint32_t harbor = harbor_service_.load()) {
    retire(harbor, std::nullopt);
    run_until_idle();
  }
}

size_t System::run_until_idle() noexcept {
  size_t slices = 0;
  while (run_one()) ++slices;
  return slices;
}

// Timers.

int System::timeout(uint32_t handle, int centiseconds_ahead, int session) noexcept {
  if (centiseconds_ahead <= 0) {
    const PushResult result = push(handle, Message(kTypeResponse, 0, session), PushMode::kAlways);
    return is_delivered(result) ? session : -1;
  }
  const int64_t deadline = centiseconds(clock_.now()) + centiseconds_ahead;
  Service* service = find(handle);
  Timers::Set set = Timers::Set::kSet;
  if (service != nullptr) {
    service->mailbox_.with_alive(handle, [&] {
      set = timers_.set(*service, {handle, session}, deadline, options_.limits.timers_max);
    });
  }
  if (set == Timers::Set::kRefused) return -1;
  if (set == Timers::Set::kSetEarlier) scheduler_.wake_sleeper();
  return session;
}

void System::expire_timers() noexcept {
  if (timers_.count() == 0) return timers_.disarm();
  const int64_t now = centiseconds(clock_.now());
  Timers::Expired expired[kExpiredBatch];
  for (size_t count = kExpiredBatch; count == kExpiredBatch;) {
    count = timers_.expire(now, expired);
    for (size_t index = 0; index < count; ++index) {
      const PushResult result =
          push(expired[index].handle, Message(kTypeResponse, 0, expired[index].session),
               PushMode::kAlways);
      // No memory. The timer's own has just come back, so it can always be set once more.
      if (result == PushResult::kRefused) set_again(expired[index], now + 1);
    }
  }
}

void System::set_again(const Timers::Expired& timer, int64_t deadline_cs) noexcept {
  Service* service = find(timer.handle);
  if (service == nullptr) return;
  service->mailbox_.with_alive(timer.handle,
                               [&] { (void)timers_.set(*service, timer, deadline_cs, 0); });
}

std::optional<base::Nanos> System::arm_timers() noexcept {
  const std::optional<int64_t> next = timers_.arm();
  if (!next) return std::nullopt;
  return std::max(base::Nanos(0), epoch_ + *next * kTick - clock_.now());
}

// Names.

const char* System::register_name(std::string_view name, uint32_t handle) noexcept {
  const char* stored = nullptr;
  Service* service = find(handle);
  if (service == nullptr || name.empty()) return nullptr;
  service->mailbox_.with_alive(handle, [&] {
    const bool has_memory = base::try_allocate([&] { stored = names_.add(name, handle); });
    if (!has_memory) stored = nullptr;
  });
  return stored;
}

uint32_t System::query_name(uint32_t asker, const char* name) noexcept {
  if (name == nullptr) return 0;
  if (name[0] == ':') return static_cast<uint32_t>(std::strtoul(name + 1, nullptr, 16));
  if (name[0] == '.') return find_name(name + 1);
  logf(asker, "error: Don't support query global name %s", name);
  return 0;
}

// Log.

void System::log(uint32_t source, std::string_view text) noexcept {
  const uint32_t logger = find_name("logger");
  if (logger == 0) return;
  base::Block payload = base::make_block(text.size() + 1);
  if (!payload) return;
  std::memcpy(payload.get(), text.data(), text.size());
  payload.get()[text.size()] = '\0';
  push(logger, Message(kTypeText, source, 0, std::move(payload), text.size()));
}

void System::logf(uint32_t source, const char* format, ...) noexcept {
  char text[512];  // our own lines; names in them are cut
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  if (length < 0) return;
  log(source, {text, std::min(static_cast<size_t>(length), sizeof(text) - 1)});
}

// Dumps.

bool System::start_dump(uint32_t handle, uint32_t by) {
  Service* service = pin(handle);
  if (service == nullptr) return false;
  if (!options_.logpath.empty()) {
    base::MutexLock lock(service->dump_mutex_);
    if (!service->dump_) {
      (void)base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
        service->dump_ = Dump::open(Dump::path_of(options_.logpath, handle), now(), starttime_);
      });
      const bool ok = service->dump_ != nullptr;
      service->dumping_.store(ok, std::memory_order_relaxed);  // a hint; dump_mutex_ orders
      logf(by, ok ? "Open log file %s/%08x.log" : "Open log file %s/%08x.log fail",
           options_.logpath.c_str(), handle);
    }
  }
  unpin(*service);
  return true;
}

bool System::stop_dump(uint32_t handle, uint32_t by) {
  Service* service = pin(handle);
  if (service == nullptr) return false;
  close_dump(*service, by);
  unpin(*service);
  return true;
}

void System::close_dump(Service& service, uint32_t by) noexcept {
  base::MutexLock lock(service.dump_mutex_);
  if (!service.dump_) return;
  service.dump_->write_end(now());
  service.dump_.reset();
  service.dumping_.store(false, std::memory_order_relaxed);  // a hint; dump_mutex_ orders
  logf(by, "Close log file :%08x", service.handle());
}

void System::dump_message(Service& service, const RawMessage& message) noexcept {
  base::MutexLock lock(service.dump_mutex_);
  if (!service.dump_) return;
  std::string text;
  (void)base::try_allocate([&] {
    if (message.type() == kTypeSocket) text = hooks_.describe(message);
  });
  if (text.empty()) {
    service.dump_->write(message, now());
  } else {
    service.dump_->write_line(text);
  }
}

}  // namespace skyloom::actor
