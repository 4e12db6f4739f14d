// The harbor (contract 4.12): where messages to global names and to other nodes leave this one. It
// knows the global names that the slave, its service in Lua, teaches it, and keeps what is sent to
// a name until then. Links to other nodes are not there yet: every other node counts as down, and
// who writes to one is told so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"
#include "skyloom/service.hpp"

namespace skyloom::services {

struct HarborOptions {
  uint8_t node = 0;  // this node's number
  Handle slave = Handle::kNone;
};
// "<node> <slave>", both decimal. The error names the field.
base::Result<HarborOptions, std::string> parse_harbor_options(std::string_view text);

class Harbor final : public Service {
 public:
  // What waits for a name must not fill the memory.
  static constexpr size_t kWaitingMessagesMax = 65536;
  static constexpr size_t kWaitingBytesMax = 64 << 20;
  static constexpr size_t kNamesMax = 65536;

  bool on_start(Context& context, std::string_view arguments) override;
  void on_message(Context& context, Message& message) override;

 private:
  struct Outgoing {
    Envelope envelope;
    Bytes payload;
  };
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };
  template <class T>
  using ByName = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

  void on_outgoing(Context& context, Message& message);
  void on_command(Context& context, const Message& message);
  void learn(Context& context, std::string_view name, Handle handle);

  void send_to_name(Context& context, std::string_view name, Outgoing outgoing);
  void send_to_handle(Context& context, Handle to, Outgoing outgoing);
  // Tells the sender that nobody at `to` gets it, and the log why.
  void refuse(Context& context, Handle to, const Outgoing& outgoing, std::string_view why);

  HarborOptions options_;
  ByName<Handle> names_;
  ByName<std::deque<Outgoing>> waiting_;  // by names that are not known yet; never empty
  size_t waiting_messages_ = 0;
  size_t waiting_bytes_ = 0;
};

}  // namespace skyloom::services
