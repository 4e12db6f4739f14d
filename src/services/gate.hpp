// The gate (contract 4.4): accepts clients, has their frames cut by the engine and routed straight
// to a broker or to each client's agent. It sees connections, not traffic, except what comes before
// a route is known.
//
// Order of frames. A route is set only while a connection is not read, or when one is set already:
// then no frame is on its way through the gate. A connection that is started first and forwarded
// later stays relayed: its frames go on through the gate, because a route would let new frames
// overtake those that wait in the gate's mailbox.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "services/gate_command.hpp"
#include "skyloom/service.hpp"

namespace skyloom::services {

class Gate final : public Service {
 public:
  bool on_start(Context& context, std::string_view arguments) override;
  void on_message(Context& context, Message& message) override;
  void on_socket(Context& context, SocketEvent& event) override;

 private:
  // accepted --start--> read --closed or failed--> gone
  struct Connection {
    Handle agent = Handle::kNone;
    Handle client = Handle::kNone;
    bool is_started = false;
    bool is_routed = false;  // frames do not come here
  };
  using Connections = std::unordered_map<SocketId, Connection>;

  void on_command(Context& context, std::string_view text);
  void run(Context& context, const GateStart& command);
  void run(Context& context, const GateForward& command);
  void run(Context& context, const GateBroker& command);
  void run(Context& context, const GateKick& command);
  void run(Context& context, const GateClose& command);
  void on_client_output(Context& context, Message& message);

  void on_accept(Context& context, const SocketEvent& event);
  void on_frame(Context& context, SocketEvent& event);
  void on_end(Context& context, const SocketEvent& event);
  void on_listener(Context& context, const SocketEvent& event);

  // Where the frames of a connection go, and written how; kNone: nowhere but here.
  Route route_of(const Context& context, const Connections::value_type& item) const noexcept;
  void set_route(Context& context, Connections::value_type& item);
  void report(Context& context, std::string_view text);

  GateOptions options_;
  size_t frame_bytes_max_ = 0;
  Handle watchdog_ = Handle::kNone;
  Handle broker_ = Handle::kNone;
  SocketId listener_ = SocketId::kNone;
  bool is_listening_ = false;
  std::chrono::milliseconds accept_error_logged_at_{INT64_MIN / 2};
  Connections connections_;
};

}  // namespace skyloom::services
