// A node: actors and network joined. The only place that knows both: it turns an event of a socket
// into a message, and the death of a service into the end of its sockets. An owner's tag is the
// service's handle.
//
// Idle workers poll (net_threads = 0), or dedicated threads do (net_threads = N); the rest is the
// same.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "actor/system.hpp"
#include "net/network.hpp"
#include "node/config.hpp"

namespace skyloom::node {

// What a node stands on; all outlive it. Tests bring simulated ones.
struct NodeParts {
  os::Kernel& kernel;
  base::Clock& clock;
  net::Resolver& resolver;
  net::PollerFactory make_poller;
  void* make_poller_user = nullptr;
  net::BatchSenderFactory make_batch_sender = nullptr;
  std::string first_log_line;  // may be empty
};

class Node final : private actor::Hooks,
                   private actor::IdleWaiter,
                   private net::EventSink,
                   private base::LogSink {
 public:
  // `values` is what services see through getenv. Built-in modules are registered between create()
  // and start().
  static base::Result<std::unique_ptr<Node>, std::string> create(const NodeConfig& config,
                                                                 const ConfigValues& values,
                                                                 const NodeParts& parts);
  // Stops as stop() does if nobody has, then ends all threads and releases everything.
  ~Node() override;

  // Launches logger and bootstrap, then starts the threads. The error says which of them failed;
  // the log lines that tell why have been written by then.
  base::Result<void, std::string> start();

  // Called once when the last service is gone, on one of the node's threads. Set before start().
  void on_finished(std::function<void()> told) { finished_ = std::move(told); }

  // The orderly end: accepts nothing, reads nothing, lets services finish what they have, retires
  // them, sends what they sent, and ends the threads. False when `timeout` cut something off.
  // Not from a thread of the node. A second call returns at once.
  bool stop(base::Nanos timeout);

  // Limits, what they bound now, and how often each was reached: a few lines in the log. Any
  // thread.
  void log_state() noexcept;

  actor::System& system() noexcept { return system_; }
  net::Network& network() noexcept { return *network_; }
  const NodeConfig& config() const noexcept { return config_; }
  base::Clock& clock() noexcept { return clock_; }

  // --- sockets of services; any thread
  // ------------------------------------------------------------- As in net::Network, with the
  // service as owner; its sockets end with it.
  base::Result<net::SocketId> listen(uint32_t owner, const net::ListenOptions& options);
  base::Result<net::SocketId> connect(uint32_t owner, const net::ConnectOptions& options);
  base::Result<net::SocketId> adopt_foreign(uint32_t owner, int fd);
  base::Result<net::SocketId> open_udp(uint32_t owner, std::string_view host, uint16_t port);
  base::Result<net::SocketId> dial_udp(uint32_t owner, std::string_view host, uint16_t port,
                                       net::Hears hears = net::Hears::kAnybody);
  void start_socket(net::SocketId id, uint32_t owner);
  // Leaves with the batch of the service that runs on this thread; at once when none does.
  net::SendVerdict send(net::SocketId id, net::SendBuffer buffer, net::Priority priority);

  // The addresses of `host` come to the service as skyloom_resolve() says (skynet/skyloom.h).
  // False: no memory, and nothing comes. Any thread.
  bool resolve(uint32_t asker, int session, std::string_view host) noexcept;

 private:
  Node(const NodeConfig& config, const ConfigValues& values, const NodeParts& parts);

  // actor::Hooks
  void on_gone(uint32_t handle) noexcept override;
  void on_slice_end() noexcept override;
  void on_drained(uint32_t handle) noexcept override;
  void on_empty() noexcept override;
  void flush_stale() noexcept override;
  size_t weight_of(const actor::RawMessage& message) const noexcept override;
  void dispose_inner(const actor::RawMessage& message) noexcept override;
  std::string describe(const actor::RawMessage& message) override;
  // actor::IdleWaiter
  void wait(std::optional<base::Nanos> timeout) noexcept override;
  void wake() noexcept override;
  // net::EventSink
  net::Appetite on_event(net::OwnerTag owner, net::Event event) noexcept override;
  // base::LogSink
  void log(std::string_view line) noexcept override;

  void own_outside(uint32_t owner) noexcept;
  void on_resolved(uint32_t asker, int session, const base::Result<net::Addresses>& found) noexcept;
  net::Outbox* current_outbox();
  bool start_net_threads() noexcept;  // false: the system has no more of them
  void run_net_thread(net::Shard& shard);
  void flush_log();
  bool wait_until_empty(base::Nanos timeout);

  const NodeConfig config_;
  const std::string first_log_line_;
  const ConfigValues values_;
  base::Clock& clock_;
  const uint64_t serial_;  // tells nodes apart in thread-local storage
  std::function<void()> finished_;
  base::Mutex outboxes_mutex_;
  std::vector<std::unique_ptr<net::Outbox>> outboxes_ SKYLOOM_GUARDED_BY(outboxes_mutex_);
  std::unique_ptr<net::Network>
      network_;  // outlives the services, which may close sockets at their end
  actor::System system_;
  std::atomic<bool> net_stopping_{false};
  std::vector<std::thread> net_threads_;
  std::mutex empty_mutex_;
  std::condition_variable empty_changed_;
  bool is_empty_ = false;  // under empty_mutex_
  bool started_ = false;
  bool stopped_ = false;
};

}  // namespace skyloom::node
