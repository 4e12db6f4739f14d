#include "actor/command.hpp"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "actor/system.hpp"
#include "base/memory.hpp"

namespace skyloom::actor {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// One call: who asks, what, and the argument without null.
struct Call {
  Service& self;
  System& system;
  const char* command;
  std::string_view parameter;
};

// A malformed argument never ends the process (D-05): a line in the log, and no result.
const char* refuse(const Call& call) {
  const std::string line = "error: " + std::string(call.command) + ": bad argument '" +
                           std::string(call.parameter) + "'";
  call.system.log(call.self.handle(), line);
  return nullptr;
}

template <class... Arguments>
const char* answer(const Call& call, const char* format, Arguments... arguments) {
  std::snprintf(call.self.result(), Service::kResultBytes, format, arguments...);
  return call.self.result();
}

// Cuts the first word off `text`, and the one blank behind it.
std::string_view take_word(std::string_view& text) {
  const size_t end = text.find_first_of(kBlanks);
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

// ":hex"; any number in 32 bits.
std::optional<uint32_t> parse_hex(std::string_view text) {
  if (text.size() < 2 || text[0] != ':') return std::nullopt;
  uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + 1, end, value, 16);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

// ":hex" or ".name"; 0 for a name that nobody has. nullopt: neither form.
std::optional<uint32_t> parse_handle(const Call& call, std::string_view text) {
  if (text.size() >= 2 && text[0] == '.') return call.system.find_name(text.substr(1));
  return parse_hex(text);
}

// C number syntax: 9, -9, 0x1f, 017; nothing at all is 0.
std::optional<int> parse_c_number(std::string_view text) {
  if (text.empty()) return 0;
  const bool is_negative = text[0] == '-';
  if (is_negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with("0")) {
    base = 8;
  }
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || rest != end || text[0] == '-') return std::nullopt;
  if (is_negative) value = -value;
  if (value < INT32_MIN || value > INT32_MAX) return std::nullopt;
  return static_cast<int>(value);
}

const char* run_timeout(const Call& call) {
  std::string_view text = call.parameter;
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::string_view number = take_word(text);
  int centiseconds = 0;
  const char* end = number.data() + number.size();
  const auto [rest, error] = std::from_chars(number.data(), end, centiseconds);
  if (number.empty() || error != std::errc() || rest != end) return refuse(call);
  const int session = call.self.next_session();
  // A service that was killed runs to the end of its message: it gets a session that never comes.
  if (call.system.timeout(call.self.handle(), centiseconds, session) < 0 &&
      call.system.is_alive(call.self.handle())) {
    call.system.log(call.self.handle(), "error: TIMEOUT refused, too many timers are pending");
    return nullptr;
  }
  return answer(call, "%d", session);
}

const char* register_name(const Call& call, std::string_view name, uint32_t handle) {
  if (name.size() < 2 || name[0] != '.') {
    call.system.log(call.self.handle(),
                    "error: Can't register global name " + std::string(name) + " in C");
    return nullptr;
  }
  return call.system.register_name(name.substr(1), handle);
}

const char* run_reg(const Call& call) {
  if (call.parameter.empty()) return answer(call, ":%x", call.self.handle());
  return register_name(call, call.parameter, call.self.handle());
}

const char* run_query(const Call& call) {
  if (call.parameter.size() < 2 || call.parameter[0] != '.') return refuse(call);
  const uint32_t handle = call.system.find_name(call.parameter.substr(1));
  return handle == 0 ? nullptr : answer(call, ":%x", handle);
}

const char* run_name(const Call& call) {
  std::string_view rest = call.parameter;
  const std::string_view name = take_word(rest);
  const std::optional<uint32_t> handle = parse_hex(take_word(rest));
  if (name.empty() || !handle || *handle == 0) return refuse(call);
  return register_name(call, name, *handle);
}

const char* run_exit(const Call& call) {
  call.system.exit(call.self);
  return nullptr;
}

const char* run_kill(const Call& call) {
  const std::optional<uint32_t> handle = parse_handle(call, call.parameter);
  if (!handle) return refuse(call);
  call.system.kill(*handle, call.self.handle());
  return nullptr;
}

const char* launch(const Call& call, System::Dumping dumping) {
  const size_t end = call.parameter.find_first_of("\r\n");
  std::string_view line = call.parameter.substr(0, end);
  const size_t blank = line.find_first_of(" \t");
  const std::string_view module = line.substr(0, blank);
  uint32_t handle = 0;
  if (blank == std::string_view::npos) {
    handle = call.system.launch(module, nullptr, dumping);
  } else {
    handle = call.system.launch(module, std::string(line.substr(blank + 1)).c_str(), dumping);
  }
  return handle == 0 ? nullptr : answer(call, ":%08X", handle);
}

const char* run_launch(const Call& call) {
  return launch(call, System::Dumping::kNo);
}

const char* run_loglaunch(const Call& call) {
  return launch(call, System::Dumping::kFromStart);
}

const char* run_getenv(const Call& call) {
  return call.system.getenv(call.parameter);
}

const char* run_setenv(const Call& call) {
  const size_t blank = call.parameter.find(' ');
  if (blank == std::string_view::npos || blank == 0) return refuse(call);
  const std::string_view key = call.parameter.substr(0, blank);
  if (!call.system.setenv(key, call.parameter.substr(blank + 1))) {
    call.system.log(call.self.handle(),
                    "error: SETENV: " + std::string(key) + " is set already and stays as it is");
  }
  return nullptr;
}

const char* run_starttime(const Call& call) {
  return answer(call, "%" PRIu32, call.system.starttime());
}

const char* run_abort(const Call& call) {
  call.system.retire_all();
  return nullptr;
}

const char* run_monitor(const Call& call) {
  if (call.parameter.empty()) {
    const uint32_t monitor = call.system.monitor_service();
    return monitor == 0 ? nullptr : answer(call, ":%x", monitor);
  }
  const std::optional<uint32_t> handle = parse_handle(call, call.parameter);
  if (!handle) return refuse(call);
  call.system.set_monitor_service(*handle);
  return nullptr;
}

const char* run_stat(const Call& call) {
  const auto seconds = [](base::Nanos time) { return std::chrono::duration<double>(time).count(); };
  if (call.parameter == "mqlen") return answer(call, "%zu", call.self.mailbox_length());
  if (call.parameter == "endless") return call.self.endless.exchange(false) ? "1" : "0";
  if (call.parameter == "cpu") return answer(call, "%lf", seconds(call.self.cpu()));
  if (call.parameter == "time") {
    if (!call.system.options().profile) return "0";
    return answer(call, "%lf", seconds(call.system.message_cpu(call.self)));
  }
  if (call.parameter == "message") return answer(call, "%" PRIu64, call.self.messages());
  return "";
}

const char* run_logon(const Call& call) {
  const std::optional<uint32_t> handle = parse_handle(call, call.parameter);
  if (!handle) return refuse(call);
  call.system.start_dump(*handle, call.self.handle());
  return nullptr;
}

const char* run_logoff(const Call& call) {
  const std::optional<uint32_t> handle = parse_handle(call, call.parameter);
  if (!handle) return refuse(call);
  call.system.stop_dump(*handle, call.self.handle());
  return nullptr;
}

const char* run_signal(const Call& call) {
  std::string_view rest = call.parameter;
  const std::optional<uint32_t> handle = parse_handle(call, take_word(rest));
  if (!handle) return refuse(call);
  const std::optional<int> number = parse_c_number(take_word(rest));
  if (!number) return refuse(call);
  call.system.signal(*handle, *number);
  return nullptr;
}

struct Entry {
  const char* name;
  const char* (*run)(const Call& call);
};

constexpr Entry kCommands[] = {
    {"TIMEOUT", run_timeout},      // by far the most frequent one
    {"LOGLAUNCH", run_loglaunch},  // ours: LAUNCH and LOGON in one misses no message
    {"REG", run_reg},
    {"QUERY", run_query},
    {"NAME", run_name},
    {"EXIT", run_exit},
    {"KILL", run_kill},
    {"LAUNCH", run_launch},
    {"GETENV", run_getenv},
    {"SETENV", run_setenv},
    {"STARTTIME", run_starttime},
    {"ABORT", run_abort},
    {"MONITOR", run_monitor},
    {"STAT", run_stat},
    {"LOGON", run_logon},
    {"LOGOFF", run_logoff},
    {"SIGNAL", run_signal},
};

}  // namespace

const char* run_command(Service& self, const char* command, const char* parameter) noexcept {
  if (command == nullptr) return nullptr;
  for (const Entry& entry : kCommands) {
    if (std::strcmp(entry.name, command) != 0) continue;
    const std::string_view text = parameter == nullptr ? std::string_view() : parameter;
    const char* result = nullptr;
    const bool has_memory =
        base::try_allocate([&] { result = entry.run({self, self.system(), command, text}); });
    if (has_memory) return result;
    self.system().logf(self.handle(), "error: %s: out of memory", command);
    return nullptr;
  }
  return nullptr;
}

}  // namespace skyloom::actor
