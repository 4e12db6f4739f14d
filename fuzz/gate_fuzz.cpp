// A gate as a whole: commands of anybody, clients that come, send and go, events of ids that it
// does not know, sends that fail. What must hold is asked after each step: only ids that it has
// accepted are started, written to or reported, each is reported open once and closed once, there
// are never more than allowed, and a frame goes to one receiver, whole. Input: the gate's
// parameter, then a step in each line: its letter, for most a letter that stands for an id, and the
// rest.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/input.hpp"
#include "services/gate.hpp"
#include "services/gate_command.hpp"
#include "testing/fake_skynet.hpp"

namespace {

using namespace skyloom;
using namespace skyloom::services;

constexpr int kListener = 1;
constexpr uint32_t kWatchdog = 0x20;
constexpr size_t kStepsMax = 200;

// "3 close" begins with 3; -1: with no number.
int number_of(std::string_view text) {
  const std::string digits(text.substr(0, text.find(' ')));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::atoi(digits.c_str());
}

class World {
 public:
  explicit World(const std::string& parameter) {
    node_.names = {{"watchdog", kWatchdog}, {"broker", 0x40}};
    skynet_context::now = 0;
    instance_ = ServiceModule<Gate>::create();
    const auto options = parse_gate_options(parameter);
    const bool runs = ServiceModule<Gate>::init(instance_, &node_, parameter.c_str()) == 0;
    FUZZ_REQUIRE(!runs || options.ok());
    FUZZ_REQUIRE(runs || !node_.log.empty());
    if (!runs) return;
    options_ = options.value();
    FUZZ_REQUIRE((node_.take_calls().back() == "start " + std::to_string(kListener)));
    runs_ = true;
  }
  ~World() { ServiceModule<Gate>::release(instance_); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  bool runs() const { return runs_; }

  void step(std::string_view line) {
    fuzz::Input input(reinterpret_cast<const uint8_t*>(line.data()), line.size());
    const char kind = static_cast<char>(input.byte());
    if (kind == 'c') {
      node_.deliver(PTYPE_TEXT, input.rest(), kWatchdog);
      for (const std::string& said : node_.log) FUZZ_REQUIRE(is_printable(said));
    } else if (kind == 's') {
      node_.send_result = node_.send_result == 0 ? -1 : 0;
    } else if (kind == 't') {
      skynet_context::now += uint64_t{input.byte()};
    } else if (kind == 'r') {
      const int type = input.byte();
      if (type == PTYPE_SOCKET || type == PTYPE_TEXT) return;
      node_.deliver(type, input.rest(), 0x50, 9);
      (void)node_.take_sent();  // the refusal, or nothing
    } else {
      step_of_socket(kind, kListener + (input.byte() & 15), input.rest());
    }
    require_known_ids();
    (void)node_.take_log();
  }

 private:
  static bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char letter) { return letter >= 0x20 && letter != 0x7f; });
  }

  void step_of_socket(char kind, int id, std::string_view rest) {
    switch (kind) {
      case 'a': return accept(id, rest);
      case 'd': return frame(id, rest);
      case 'x': return end(SKYNET_SOCKET_TYPE_CLOSE, id, rest);
      case 'e': return end(SKYNET_SOCKET_TYPE_ERROR, id, rest);
      case 'o': return node_.socket_text(SKYNET_SOCKET_TYPE_CONNECT, id, 8888, rest);
      case 'w': return node_.socket_text(SKYNET_SOCKET_TYPE_WARNING, id, 64, rest);
      case 'm': return node_.deliver(PTYPE_CLIENT, std::string(rest) + bytes_of(id), 0x50);
      default: return node_.deliver(PTYPE_CLIENT, rest, 0x50);
    }
  }

  static std::string bytes_of(int id) { return {static_cast<char>(id), '\0', '\0', '\0'}; }

  void accept(int id, std::string_view peer) {
    if (id == kListener || known_.contains(id)) return;  // ids are unique while they live
    node_.socket_text(SKYNET_SOCKET_TYPE_ACCEPT, kListener, id, peer);
    const bool taken = called("framing", id);
    FUZZ_REQUIRE(taken != called("close", id));
    if (taken) known_.insert(id);
    FUZZ_REQUIRE(known_.size() <= options_.connections_max);
    require_reports(taken ? std::to_string(id) + " open " + std::to_string(id) + " " : "");
  }

  void frame(int id, std::string_view bytes) {
    node_.socket_bytes(SKYNET_SOCKET_TYPE_DATA, id, bytes);
    const std::vector<FakeMessage> sent = node_.take_sent();
    FUZZ_REQUIRE(sent.size() <= (known_.contains(id) ? 1u : 0u));
    if (sent.empty()) return;
    FUZZ_REQUIRE(sent[0].session == id);
    if (sent[0].type == PTYPE_TEXT) {
      FUZZ_REQUIRE(sent[0].payload == std::to_string(id) + " data " + std::string(bytes));
    } else {
      FUZZ_REQUIRE(sent[0].type == static_cast<int>(options_.client_tag));
      FUZZ_REQUIRE(sent[0].payload == bytes);
    }
  }

  void end(int kind, int id, std::string_view why) {
    node_.socket_text(kind, id, 0, why);
    const bool was_known = known_.erase(id) != 0;
    FUZZ_REQUIRE(called("close", id) == was_known);
    require_reports(was_known ? std::to_string(id) + " close" : "");
  }

  bool called(std::string_view call, int id) const {
    const std::string wanted = std::string(call) + " " + std::to_string(id);
    return std::any_of(node_.calls.begin(), node_.calls.end(), [&](const std::string& made) {
      return made == wanted || made.starts_with(wanted + " ");
    });
  }

  // One report that begins like this, or none where it is empty, nobody listens or sends fail.
  void require_reports(const std::string& beginning) {
    const std::vector<FakeMessage> sent = node_.take_sent();
    const bool expected =
        !beginning.empty() && !options_.watchdog.empty() && node_.send_result == 0;
    FUZZ_REQUIRE(sent.size() == (expected ? 1u : 0u));
    FUZZ_REQUIRE(sent.empty() || (sent[0].type == PTYPE_TEXT && sent[0].session == 0));
    FUZZ_REQUIRE(sent.empty() || sent[0].payload.starts_with(beginning));
  }

  // A close is the one call that an unknown id may have: of the listener, or of a client too many.
  void require_known_ids() {
    for (const std::string& call : node_.take_calls()) {
      const std::string_view made = call;
      if (made.starts_with("close ")) continue;
      const int id = number_of(made.substr(made.find(' ') + 1));
      FUZZ_REQUIRE(known_.contains(id));
    }
    FUZZ_REQUIRE(node_.take_sent().empty());  // no step but those above has anything to say
  }

  skynet_context node_;
  void* instance_ = nullptr;
  GateOptions options_;
  bool runs_ = false;
  std::set<int> known_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(bytes), size);
  const auto take_line = [&] {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    return line;
  };
  const std::string parameter(take_line());
  World world(parameter.substr(0, parameter.find('\0')));
  for (size_t steps = 0; world.runs() && steps < kStepsMax && !rest.empty(); ++steps) {
    world.step(take_line());
  }
  return 0;
}
