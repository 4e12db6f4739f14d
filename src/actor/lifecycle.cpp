// How services begin and how they are told to end.
#include <array>
#include <cstdint>
#include <span>

#include "actor/service_scope.hpp"
#include "actor/system.hpp"
#include "base/memory.hpp"

namespace skyloom::actor {
namespace {

constexpr int kInitFailed = -1;

}  // namespace

// Null without memory.
Service* System::take_unused() noexcept {
  base::MutexLock lock(pool_mutex_);
  if (Runnable* unused = unused_.pop_front()) return static_cast<Service*>(unused);
  Service* fresh = nullptr;
  (void)base::try_allocate(
      [&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS { fresh = &services_.emplace_back(); });
  return fresh;
}

void System::give_back(Service& service) noexcept {
  service.callback_ = nullptr;
  service.user_ = nullptr;
  service.module_ = nullptr;
  service.instance_ = nullptr;
  service.session_ = 0;
  service.is_harbor_ = false;
  service.hears_last_words_ = false;
  service.endless.store(false);
  service.cpu_ns_.store(0, std::memory_order_relaxed);    // pool_mutex_ orders
  service.messages_.store(0, std::memory_order_relaxed);  // as above
  base::MutexLock lock(pool_mutex_);
  unused_.push_back(service);
}

uint32_t System::launch(std::string_view name, const char* arguments, Dumping dumping) noexcept {
  if (aborting_.load()) return 0;
  const uint32_t by = current_service() == nullptr ? 0 : current_handle();
  const int name_bytes = static_cast<int>(name.size());
  const auto fail = [&](const char* reason) {
    if (reason != nullptr) logf(by, "module %.*s: %s", name_bytes, name.data(), reason);
    logf(by, "error: launch %.*s FAILED", name_bytes, name.data());
    return uint32_t{0};
  };
  const Module* module = nullptr;
  const bool has_memory = base::try_allocate([&] { module = find_module(name, by); });
  if (!has_memory) return fail("out of memory");
  if (module == nullptr) return fail(nullptr);              // the reason is in the log
  void* instance = reinterpret_cast<void*>(~uintptr_t{0});  // what modules without _create get
  if (module->functions.create != nullptr) instance = module->functions.create();
  if (instance == nullptr) return fail("it created no instance");

  Service* fresh = take_unused();
  if (fresh != nullptr) {
    fresh->system_ = this;
    fresh->module_ = module;
    fresh->instance_ = instance;
  }
  const uint32_t handle = fresh == nullptr ? 0 : give_handle(*fresh);
  if (handle == 0) {
    if (module->functions.release != nullptr) module->functions.release(instance);
    return fail("out of memory, or no handle is free");
  }
  Service& service = *fresh;
  const int result = init_service(service, arguments);
  if (result == 0 && finish_launch(service, name, arguments, dumping)) return handle;
  if (result != 0) {
    retire(handle, std::nullopt);
    (void)fail(nullptr);
    release(service);
  }
  return 0;
}

// Null, and the log says why.
const Module* System::find_module(std::string_view name, uint32_t by) {
  const base::Result<const Module*, std::string> module = modules_.find(name);
  if (module) return *module;
  log(by, module.error());
  return nullptr;
}

// 0, and the service is given back: no memory, or no handle is free.
uint32_t System::give_handle(Service& service) noexcept {
  counted_.fetch_add(1);
  const bool has_room = service.mailbox_.reserve();
  const uint32_t local = !has_room ? 0 : table_.insert(service, [&](uint32_t id) {
    const uint32_t harbor = uint32_t{options_.harbor} << kHarborShift;
    service.mailbox_.open(harbor | id, options_.limits.mailbox);
  });
  if (local != 0) return service.handle();
  service.mailbox_.drop_reserve();
  give_back(service);
  counted_.fetch_sub(1);
  return 0;
}

int System::init_service(Service& service, const char* arguments) noexcept {
  // retire_all() sets aborting_ and then looks at the table; we were in the table and look now.
  int result = kInitFailed;
  if (!aborting_.load()) {
    ServiceScope scope(service);
    result = service.module_->functions.init(service.instance_, to_context(service), arguments);
  }
  const Worker* worker = scheduler_.current_worker();
  if (worker == nullptr || !worker->in_slice) hooks_.on_slice_end();
  return result;
}

void System::log_launch(uint32_t handle, std::string_view name,
                        std::string_view arguments) noexcept {
  const bool has_memory = base::try_allocate(
      [&] { log(handle, "LAUNCH " + std::string(name) + " " + std::string(arguments)); });
  if (!has_memory) logf(handle, "LAUNCH %.*s", static_cast<int>(name.size()), name.data());
}

// False when the service was killed in its `_init`.
bool System::finish_launch(Service& service, std::string_view name, const char* arguments,
                           Dumping dumping) noexcept {
  const uint32_t handle = service.handle();
  if (!service.mailbox_.is_dying()) {
    log_launch(handle, name, arguments == nullptr ? "" : arguments);
    if (dumping == Dumping::kFromStart) start_dump(handle, current_handle());
  }
  switch (service.mailbox_.go_live()) {
    case Mailbox::Started::kIdle: return true;
    case Mailbox::Started::kReady: scheduler_.schedule(service); return true;
    case Mailbox::Started::kDying: break;
  }
  release(service);
  return false;
}

bool System::kill(uint32_t handle, uint32_t by) {
  return retire(handle, by);
}

// Handle and names are free when this returns. Whoever holds the mailbox releases the service; when
// nobody does, a worker gets it. The pin keeps the Service ours until we are through.
bool System::retire(uint32_t handle, std::optional<uint32_t> by) {
  Service* service = find(handle);
  if (service == nullptr) return false;
  const Mailbox::Retired retired = service->mailbox_.retire(handle);
  if (retired == Mailbox::Retired::kNoSuchService) return false;
  if (by) announce_death(handle, *by);
  uint32_t expected = handle;
  harbor_service_.compare_exchange_strong(expected, 0);
  table_.erase(handle & kHandleMask);
  names_.remove_all(handle);
  timers_.cancel_all(*service);
  const bool release_waits = service->mailbox_.unpin();
  if (retired == Mailbox::Retired::kTaken || release_waits) scheduler_.schedule(*service);
  return true;
}

void System::announce_death(uint32_t handle, uint32_t by) noexcept {
  if (handle == by) {
    log(by, "KILL self");
  } else {
    logf(by, "KILL :%x", handle);
  }
  const uint32_t monitor = monitor_.load();
  if (monitor != 0 && monitor != handle) {
    push(monitor, Message(kTypeClient, handle, 0), PushMode::kAlways);
  }
}

void System::retire_all() {
  aborting_.store(true);  // launches that are under way see it, or we see them in the table
  const uint32_t logger = find_name("logger");
  const uint32_t harbor = harbor_service_.load();
  std::array<Service*, 64> services;  // first, because retiring takes the lock of the table
  uint64_t next = 0;
  while (const size_t count = table_.collect(next, services)) {
    for (Service* service : std::span(services).first(count)) {
      const uint32_t handle = service->handle();  // 0: gone meanwhile
      if (handle != 0 && handle != logger && handle != harbor) retire(handle, std::nullopt);
    }
  }
  if (counted_.load() <= 1) retire_log_service();  // otherwise release() does, after the others
}

// The log service goes last and handles what it was sent before: the lines that tell how the others
// ended are the ones that somebody will look for.
void System::retire_log_service() {
  const uint32_t logger = find_name("logger");
  Service* service = logger == 0 ? nullptr : pin(logger);
  if (service == nullptr) return;
  service->hears_last_words_ = true;  // read by release(); ordered by the pin's lock
  retire(logger, std::nullopt);
  unpin(*service);
}

std::vector<uint32_t> System::handles() const {
  std::vector<uint32_t> handles;
  const uint32_t harbor = uint32_t{options_.harbor} << kHarborShift;
  table_.for_each([&](uint32_t local, Service&) { handles.push_back(harbor | local); });
  return handles;
}

bool System::is_alive(uint32_t handle) noexcept {
  Service* service = find(handle);
  return service != nullptr && service->mailbox_.with_alive(handle, [] {});
}

std::optional<ServiceFigures> System::figures_of(uint32_t handle) noexcept {
  Service* service = find(handle);
  if (service == nullptr) return std::nullopt;
  ServiceFigures figures;
  const bool is_alive = service->mailbox_.with_alive(handle, [&] {
    figures.messages = service->messages();
    figures.cpu = service->cpu();
  });
  if (!is_alive) return std::nullopt;
  figures.mailbox_length = service->mailbox_.length(handle);
  return figures;
}

Service* System::pin(uint32_t handle) noexcept {
  Service* service = find(handle);
  return service != nullptr && service->mailbox_.pin(handle) ? service : nullptr;
}

void System::unpin(Service& service) noexcept {
  if (service.mailbox_.unpin()) scheduler_.schedule(service);
}

bool System::signal(uint32_t handle, int number) noexcept {
  Service* service = pin(handle);
  if (service == nullptr) return false;
  if (service->module_->functions.signal != nullptr) {
    service->module_->functions.signal(service->instance_, number);
  }
  unpin(*service);
  return true;
}

void System::harbor_start(Service& service) noexcept {
  if (service.is_harbor_) return;
  if (has_had_harbor_.exchange(true)) {
    log(service.handle(), "error: The node has or had a harbor: this one ends");
    kill(service.handle(), service.handle());
    return;
  }
  service.is_harbor_ = true;
  counted_.fetch_sub(1);
  harbor_service_.store(service.handle());
}

}  // namespace skyloom::actor
