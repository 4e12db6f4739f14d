// The harbor of a single node (contract 4.12 with id 0): messages to global names go to the
// services that have them, or wait until one has; every other node counts as down.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "skyloom/service.hpp"

namespace skyloom::services {

class Harbor final : public Service {
 public:
  bool on_start(Context& context, std::string_view arguments) override;
  void on_message(Context& context, Message& message) override;

 private:
  struct Outgoing {
    Envelope envelope;
    Bytes payload;
  };
  struct Name {
    Handle handle = Handle::kNone;  // kNone: nobody has it yet
    std::vector<Outgoing> waiting;
  };

  void on_command(Context& context, const Message& message);
  void on_outgoing(Context& context, const Message& message);
  void wait_for_name(Context& context, std::string name, Outgoing outgoing);
  void deliver(Context& context, Handle to, Outgoing outgoing);
  void fail(Context& context, Handle to, const Envelope& envelope);

  Handle slave_ = Handle::kNone;
  size_t waiting_ = 0;
  size_t waiting_max_ = 0;
  std::unordered_map<std::string, Name> names_;
};

}  // namespace skyloom::services
