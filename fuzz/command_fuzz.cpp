// The text commands of skynet_command, as any service may send them, one after the other to a
// system that runs on this thread. No argument ends the process; a result is a short text; each
// timer that was granted answers once, with its session and not early. Input: command and argument,
// each ended by a NUL, as often as there are any; the command "+" moves the clock by as many
// centiseconds as its argument has bytes.
#include <cstring>
#include <limits>
#include <map>
#include <string>

#include "actor/command.hpp"
#include "actor/system.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom;
using namespace skyloom::actor;

constexpr size_t kCommandsMax = 64;

class ManualClock final : public base::Clock {
 public:
  base::Nanos now() const noexcept override { return now_; }
  base::Nanos wall() const noexcept override { return now_ + std::chrono::seconds(1'700'000'000); }
  void advance(base::Nanos time) { now_ += time; }

 private:
  base::Nanos now_ = std::chrono::seconds(5);
};

// The module "probe": fails to start when its arguments begin with "fail", and ignores its
// messages.
struct Probe {
  Service* service = nullptr;
  std::map<int, uint64_t> timers;  // by session: when it is due
  System* system = nullptr;
  bool is_alive = true;

  static inline Probe* next = nullptr;  // what the next launch becomes, else `anybody`
  static Probe anybody;

  static void* create() {
    Probe* given = std::exchange(next, nullptr);
    return given != nullptr ? given : &anybody;
  }
  static int init(void* instance, skynet_context* context, const char* arguments) {
    if (arguments != nullptr && std::strncmp(arguments, "fail", 4) == 0) return 1;
    Service& service = to_service(context);
    static_cast<Probe*>(instance)->service = &service;
    service.set_callback(on_message, instance);
    return 0;
  }
  static void release(void* instance) { static_cast<Probe*>(instance)->is_alive = false; }
  static void signal(void*, int) {}
  static int on_message(skynet_context*, void* user, int type, int session, uint32_t, const void*,
                        size_t) {
    auto* self = static_cast<Probe*>(user);
    if (type != kTypeResponse) return 0;
    const auto timer = self->timers.find(session);
    FUZZ_REQUIRE(timer != self->timers.end());
    FUZZ_REQUIRE(timer->second <= self->system->now());
    self->timers.erase(timer);
    return 0;
  }
};

Probe Probe::anybody;

std::string take_text(fuzz::Input& input) {
  std::string text(input.take(std::min(input.rest().find('\0'), input.rest().size())));
  (void)input.take(1);
  return text;
}

void expect_timer(Probe& probe, System& system, const char* session, const std::string& argument) {
  const int64_t centiseconds = std::atoi(argument.c_str());  // well-formed, as there is a session
  const uint64_t due = system.now() + static_cast<uint64_t>(std::max<int64_t>(centiseconds, 0));
  FUZZ_REQUIRE(probe.timers.emplace(std::atoi(session), due).second);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::Input input(bytes, size);
  ManualClock clock;
  Hooks hooks;
  Options options;
  options.workers = 0;
  options.cpath = "/nonexistent/?.so";
  Probe probe;
  System system(options, clock, hooks, nullptr);
  probe.system = &system;
  system.modules().register_builtin("probe",
                                    {Probe::create, Probe::init, Probe::release, Probe::signal});
  const uint32_t logger = system.launch("probe", nullptr);
  FUZZ_REQUIRE(logger != 0 && system.register_name("logger", logger) != nullptr);
  Probe::next = &probe;
  FUZZ_REQUIRE(system.launch("probe", nullptr) != 0 && probe.service != nullptr);

  for (size_t count = 0; count < kCommandsMax && probe.is_alive && !input.is_empty(); ++count) {
    const std::string command = take_text(input);
    const std::string argument = take_text(input);
    if (command == "+") {
      clock.advance(std::chrono::milliseconds(10) * argument.size());
    } else {
      const char* result = run_command(*probe.service, command.c_str(), argument.c_str());
      if (result != nullptr && command != "GETENV") {
        FUZZ_REQUIRE(::strnlen(result, Service::kResultBytes) < Service::kResultBytes ||
                     command == "REG" || command == "NAME");
      }
      if (result != nullptr && command == "TIMEOUT") expect_timer(probe, system, result, argument);
    }
    system.run_until_idle();
  }
  if (!probe.is_alive) return 0;
  clock.advance(std::chrono::milliseconds(10) * int64_t{std::numeric_limits<int32_t>::max()});
  system.run_until_idle();
  FUZZ_REQUIRE(probe.timers.empty());
  return 0;
}
