#include "node/node.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

#include "actor/packages.hpp"
#include "base/bytes.hpp"
#include "base/memory.hpp"
#include "node/socket_message.hpp"
#include "skynet/skyloom.h"

namespace skyloom::node {

using base::Block;
using base::Millis;
using base::Nanos;
using base::Result;
using net::SocketId;

namespace {

constexpr uint32_t kBatchSendersMax = 8;  // a descriptor each

std::atomic<uint64_t> next_serial{1};

// The outbox of this thread, for the node with this serial.
struct ThreadOutbox {
  uint64_t serial = 0;
  net::Outbox* outbox = nullptr;
};
thread_local ThreadOutbox thread_outbox;

actor::Options actor_options(const NodeConfig& config) {
  actor::Options options;
  options.workers = config.thread;
  options.harbor = static_cast<uint8_t>(config.harbor);
  options.cpath = config.cpath;
  options.profile = config.profile;
  options.logpath = config.logpath.value_or("");
  options.monitor_interval = config.monitor_interval;
  // In a config file 0 means "no limit".
  const auto limit = [](uint64_t value) { return value == 0 ? SIZE_MAX / 2 : value; };
  options.limits.message_bytes_max = limit(config.message_max);
  options.limits.timers_max = config.timer_max;
  options.limits.mailbox.messages_max = limit(config.mailbox_max);
  options.limits.mailbox.bytes_max = limit(config.mailbox_max_bytes);
  options.limits.mailbox.inflight_bytes_max = limit(config.net_inflight_max);
  options.limits.mailbox.messages_warn = config.mailbox_warn;
  return options;
}

net::Limits net_limits(const NodeConfig& config) {
  net::Limits limits;
  limits.sockets_max = config.net_max_sockets;
  limits.descriptors_spare = config.net_reserve_fds;
  limits.connections_max = config.net_max_per_listener;
  limits.per_address_max = config.net_max_per_ip;
  limits.accept_rate = config.net_accept_rate;
  limits.first_byte_timeout_ms = config.net_first_byte_timeout.count();
  limits.frame_timeout_ms = config.gate_frame_timeout.count();
  limits.turn_bytes_max = config.net_turn_budget;
  limits.log_lines_max = config.log_rate;
  limits.connect_timeout_ms = config.net_connect_timeout.count();
  limits.handshake_timeout_ms = config.net_handshake_timeout.count();
  limits.dns_timeout_ms = config.dns_timeout.count();
  limits.idle_timeout_ms = config.net_idle_timeout.count();
  limits.write_timeout_ms = config.net_write_timeout.count();
  limits.linger_timeout_ms = config.net_linger_timeout.count();
  limits.linger_discard_bytes = config.net_linger_discard;
  limits.orphan_grace_ms = config.net_orphan_grace.count();
  limits.accept_backoff_ms_min = config.net_accept_backoff.count();
  limits.write_buffer_max = config.net_wbuffer_max;
  limits.write_buffer_total = config.net_wbuffer_total;
  limits.write_buffer_policy = config.net_wbuffer_policy;
  limits.warn_bytes = config.net_warn_size;
  limits.read_bytes_max = config.net_read_max;
  return limits;
}

// 0 leaves it to the system.
net::SocketOptions socket_options(const NodeConfig& config) {
  net::SocketOptions options;
  const auto set = [&](os::SocketOption option, int64_t value) {
    if (value != 0) options.set(option, static_cast<int>(value));
  };
  set(os::SocketOption::kKeepAliveIdle, config.net_keepalive_idle);
  set(os::SocketOption::kKeepAliveInterval, config.net_keepalive_interval);
  set(os::SocketOption::kKeepAliveCount, config.net_keepalive_count);
  set(os::SocketOption::kUserTimeout, config.net_user_timeout.count());
  return options;
}

void append_figure(std::string& line, std::string_view name, const std::atomic<uint64_t>& value) {
  line.append(" ").append(name).append(" ");
  line.append(std::to_string(value.load(std::memory_order_relaxed)));  // a statistic
}

bool is_limit(const ConfigRow& row) {
  return row.unit == ConfigUnit::kCount || row.unit == ConfigUnit::kBytes ||
         row.unit == ConfigUnit::kMillis || row.key == "net_wbuffer_policy";
}

}  // namespace

Node::Node(const NodeConfig& config, const ConfigValues& values, const NodeParts& parts)
    : config_(config),
      first_log_line_(parts.first_log_line),
      clock_(parts.clock),
      // Only has to be different for each node of the process.
      serial_(next_serial.fetch_add(1, std::memory_order_relaxed)),
      system_(actor_options(config), parts.clock, *this, config.net_threads == 0 ? this : nullptr) {
  for (const auto& [key, value] : values) system_.setenv(key, value);
}

Result<std::unique_ptr<Node>, std::string> Node::create(const NodeConfig& config,
                                                        const ConfigValues& values,
                                                        const NodeParts& parts) {
  std::unique_ptr<Node> node(new Node(config, values, parts));
  uint32_t shards = 1;
  while (shards < config.net_threads) shards *= 2;
  auto network = net::Network::create({.shards = shards,
                                       .limits = net_limits(config),
                                       .options = socket_options(config),
                                       .make_batch_sender = parts.make_batch_sender,
                                       .batch_senders = std::min(config.thread, kBatchSendersMax)},
                                      {.kernel = parts.kernel,
                                       .clock = parts.clock,
                                       .sink = *node,
                                       .log = *node,
                                       .resolver = parts.resolver},
                                      parts.make_poller, parts.make_poller_user);
  if (!network) return "cannot create the poller: " + network.error().message();
  node->network_ = std::move(network).value();
  return node;
}

Node::~Node() {
  (void)stop(Nanos::zero());
  system_.request_stop();
  system_.join();
  // Network threads last: retiring a service may still post to a shard.
  // Pairs with the load in run_net_thread(): the wake-up below follows it.
  net_stopping_.store(true, std::memory_order_seq_cst);
  for (uint32_t index = 0; index < net_threads_.size(); ++index) network_->shard(index).wake();
  for (std::thread& thread : net_threads_) thread.join();
  if (network_ != nullptr) network_->stop_lookups();  // an answer would go to a system that is gone
}

Result<void, std::string> Node::start() {
  const char* logger = config_.logger ? config_.logger->c_str() : nullptr;
  const uint32_t logger_handle = system_.launch(config_.logservice, logger);
  if (logger_handle == 0) {
    return "cannot start the log service: logservice = \"" + config_.logservice + "\"" +
           (logger == nullptr ? "" : ", logger = \"" + *config_.logger + "\"");
  }
  (void)system_.register_name("logger", logger_handle);
  if (!first_log_line_.empty()) log(first_log_line_);
  const size_t blank = config_.bootstrap.find(' ');
  const std::string module = config_.bootstrap.substr(0, blank);
  const std::string arguments =
      blank == std::string::npos ? "" : config_.bootstrap.substr(blank + 1);
  if (system_.launch(module, blank == std::string::npos ? nullptr : arguments.c_str()) == 0) {
    flush_log();
    return "cannot start the first service: bootstrap = \"" + config_.bootstrap + "\"";
  }
  started_ = true;
  if (!start_net_threads()) {
    flush_log();
    return "the system has no more threads or memory: net_threads = " +
           std::to_string(config_.net_threads);
  }
  if (!system_.start()) {
    flush_log();
    return "the system has no more threads or memory: thread = " + std::to_string(config_.thread);
  }
  return {};
}

bool Node::start_net_threads() noexcept {
  if (config_.net_threads == 0) return true;
  try {
    for (uint32_t index = 0; index < network_->shard_count(); ++index) {
      net_threads_.emplace_back([this, index] { run_net_thread(network_->shard(index)); });
    }
  } catch (const std::exception&) {  // those that run end with the node
    return false;
  }
  return true;
}

void Node::flush_log() {
  system_.retire_all();  // the log service writes what it has when it is released
  system_.run_until_idle();
}

bool Node::stop(Nanos timeout) {
  if (std::exchange(stopped_, true) || !started_) return true;
  const Nanos end = clock_.now() + timeout;
  const auto left = [&] { return std::max(end - clock_.now(), Nanos::zero()); };
  network_->stop_listening();
  network_->stop_reading();
  // Services get two thirds of the time to finish; the rest is for their output.
  bool whole = system_.wait_until_quiet(timeout * 2 / 3);
  system_.retire_all();
  whole = wait_until_empty(left()) && whole;
  network_->close_all();
  whole = network_->wait_until_empty(left()) && whole;
  return whole;
}

bool Node::wait_until_empty(Nanos timeout) {
  std::unique_lock lock(empty_mutex_);
  return empty_changed_.wait_for(lock, timeout, [&] { return is_empty_; });
}

void Node::log_state() noexcept {
  const bool has_memory = base::try_allocate([&] {
    std::string limits = "state: limits:";
    for (const ConfigRow& row : config_rows()) {
      if (is_limit(row))
        limits.append(" ").append(row.key).append(" ").append(value_text(row, config_));
    }
    log(limits);
    log("state: services " + std::to_string(system_.service_count()) + ", sockets " +
        std::to_string(network_->sockets()) + ", bytes held by output " +
        std::to_string(network_->held_bytes()));
    std::string net = "state: net:";
    for (const net::Counters::Row& row : net::Counters::rows()) {
      append_figure(net, row.name, network_->counters().*row.value);
    }
    log(net);
    const actor::Counters& reached = system_.counters();
    std::string actors = "state: actor:";
    append_figure(actors, "requests_refused", reached.requests_refused);
    append_figure(actors, "messages_too_large", reached.messages_too_large);
    append_figure(actors, "timers_refused", reached.timers_refused);
    log(actors);
  });
  if (!has_memory) log("state: no memory to tell it");
}

// --- threads
// ------------------------------------------------------------------------------------------

void Node::run_net_thread(net::Shard& shard) {
  actor::set_thread_kind(actor::ThreadKind::kSocket);
  base::MutexLock turn(shard.turn_mutex());
  // Pairs with the store in ~Node().
  while (!net_stopping_.load(std::memory_order_seq_cst)) shard.turn(std::nullopt);
}

void Node::wait(std::optional<Nanos> timeout) noexcept {
  if (network_ == nullptr) return;  // create() failed, and the system ends without a network
  net::Shard& shard = network_->shard(0);
  base::MutexLock turn(shard.turn_mutex());
  shard.turn(timeout);
}

void Node::wake() noexcept {
  if (network_ != nullptr) network_->shard(0).wake();  // null: see wait()
}

net::Outbox* Node::current_outbox() {
  if (actor::current_service() == nullptr) return nullptr;  // nobody would flush it
  if (thread_outbox.serial != serial_) {
    base::MutexLock lock(outboxes_mutex_);
    const bool has_memory = base::try_allocate([&]() SKYLOOM_NO_THREAD_SAFETY_ANALYSIS {
      outboxes_.push_back(std::make_unique<net::Outbox>());
    });
    if (!has_memory) return nullptr;  // what is sent leaves at once
    thread_outbox = {serial_, outboxes_.back().get()};
  }
  return thread_outbox.outbox;
}

// --- sockets
// ------------------------------------------------------------------------------------------

void Node::own_outside(uint32_t owner) noexcept {
  actor::Service* current = actor::current_service();
  if (current != nullptr && current->handle() == owner) {
    current->owns_outside.store(true,
                                std::memory_order_relaxed);  // read when it dies, by its worker
    return;
  }
  actor::Service* service = system_.pin(owner);
  if (service == nullptr) return;
  service->owns_outside.store(true, std::memory_order_relaxed);  // ordered by the pin's lock
  system_.unpin(*service);
}

Result<SocketId> Node::listen(uint32_t owner, const net::ListenOptions& options) {
  own_outside(owner);
  return network_->listen(owner, options);
}

Result<SocketId> Node::connect(uint32_t owner, const net::ConnectOptions& options) {
  own_outside(owner);
  return network_->connect(owner, options);
}

Result<SocketId> Node::adopt_foreign(uint32_t owner, int fd) {
  own_outside(owner);
  return network_->adopt_foreign(owner, fd);
}

Result<SocketId> Node::open_udp(uint32_t owner, std::string_view host, uint16_t port) {
  own_outside(owner);
  return network_->open_udp(owner, host, port);
}

Result<SocketId> Node::dial_udp(uint32_t owner, std::string_view host, uint16_t port,
                                net::Hears hears) {
  own_outside(owner);
  return network_->dial_udp(owner, host, port, hears);
}

void Node::start_socket(SocketId id, uint32_t owner) {
  own_outside(owner);
  network_->start(id, owner);
}

net::SendVerdict Node::send(SocketId id, net::SendBuffer buffer, net::Priority priority) {
  return network_->send(id, std::move(buffer), priority, current_outbox());
}

// --- names
// --------------------------------------------------------------------------------------------

bool Node::resolve(uint32_t asker, int session, std::string_view host) noexcept {
  return base::try_allocate([&] {
    network_->look_up(std::string(host), [this, asker, session](Result<net::Addresses> found) {
      on_resolved(asker, session, found);
    });
  });
}

void Node::on_resolved(uint32_t asker, int session, const Result<net::Addresses>& found) noexcept {
  const bool has_memory = base::try_allocate([&] {
    std::string answer(1, found.ok() ? SKYLOOM_RESOLVED : SKYLOOM_UNRESOLVED);
    if (!found.ok()) answer += found.error().text().view();
    for (size_t index = 0; found.ok() && index < found->size(); ++index) {
      if (index != 0) answer += '\n';
      answer += (*found)[index].ip_text().view();
    }
    Block payload = base::make_block(answer.size());
    if (!payload) return;  // nobody answers: the asker's deadline tells
    std::memcpy(payload.get(), answer.data(), answer.size());
    actor::Message message(actor::kTypeResponse, 0, session, std::move(payload), answer.size());
    (void)system_.push(asker, std::move(message));
  });
  (void)has_memory;
}

// --- hooks of the actor system
// ------------------------------------------------------------------------

void Node::on_gone(uint32_t handle) noexcept {
  network_->owner_gone(handle);
}

void Node::on_slice_end() noexcept {
  if (thread_outbox.serial == serial_) network_->flush(*thread_outbox.outbox);
}

void Node::on_drained(uint32_t handle) noexcept {
  network_->owner_drained(handle);
}

void Node::on_empty() noexcept {
  {
    const std::lock_guard lock(empty_mutex_);
    is_empty_ = true;
    empty_changed_.notify_all();
  }
  if (finished_) finished_();
}

void Node::flush_stale() noexcept {
  base::MutexLock lock(outboxes_mutex_);
  for (const std::unique_ptr<net::Outbox>& outbox : outboxes_) network_->flush(*outbox);
}

size_t Node::weight_of(const actor::RawMessage& message) const noexcept {
  return socket_message_weight(message);
}

void Node::dispose_inner(const actor::RawMessage& message) noexcept {
  if (message.type() == actor::kTypeSocket) dispose_socket_message(message);
  actor::close_package_of(message);
  if (message.type() == actor::kTypeSystem && message.size() == sizeof(actor::RemoteMessage)) {
    std::free(const_cast<void*>(static_cast<const actor::RemoteMessage*>(message.data)->message));
  }
}

std::string Node::describe(const actor::RawMessage& message) {
  return describe_socket_message(message);
}

// --- events of the network
// ----------------------------------------------------------------------------

net::Appetite Node::on_event(net::OwnerTag owner, net::Event event) noexcept {
  uint32_t to = static_cast<uint32_t>(owner);
  actor::Message message;
  if (event.kind == net::EventKind::kFrame && event.route.to != 0) {
    to = static_cast<uint32_t>(event.route.to);
    message = actor::Message(event.route.type, static_cast<uint32_t>(event.route.source),
                             event.route.session, std::move(event.data), event.size);
  } else {
    message = make_socket_message(std::move(event));
    if (message.raw().data == nullptr) return net::Appetite::kBroken;
  }
  const actor::PushResult result = system_.push(to, std::move(message), actor::PushMode::kAlways);
  switch (result) {
    case actor::PushResult::kDelivered: return net::Appetite::kHungry;
    case actor::PushResult::kDeliveredFull: return net::Appetite::kFull;
    case actor::PushResult::kNoSuchService:
      system_.drop(std::move(message));
      return net::Appetite::kHungry;
    case actor::PushResult::kRefused:  // no memory: nothing else refuses such a message
      system_.drop(std::move(message));
      return net::Appetite::kBroken;
  }
  return net::Appetite::kHungry;
}

void Node::log(std::string_view line) noexcept {
  system_.log(0, line);
}

}  // namespace skyloom::node
