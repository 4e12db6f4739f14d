#include "tcp_worker.hpp"

#include <errno.h>
#include <sys/uio.h>

#include <algorithm>
#include <utility>

namespace skyloom::load {
namespace {

using base::Nanos;
using base::Status;

constexpr size_t kInputBytes = size_t{256} << 10;
constexpr size_t kOutputBytes = size_t{128} << 10;
constexpr uint64_t kConnectingMax = 128;  // about a listener's backlog; more would only be dropped
constexpr uint64_t kFailuresInARowMax = 100;
constexpr uint64_t kDuePerTurnMax = 10'000;  // so that a late sender still reads
constexpr Nanos kCheckInterval{100'000'000};
constexpr Nanos kReadyInterval{1'000'000};
constexpr Nanos kPortRetryDelay{10'000'000};

uint64_t token_of(uint32_t slot, uint32_t generation) noexcept {
  return uint64_t{generation} << 32 | slot;
}

}  // namespace

TcpWorker::TcpWorker(RunState& run, const Share& share)
    : run_(run), share_(share), input_(kInputBytes), output_(kOutputBytes) {
  const Options& options = run.options;
  add_connections(Role::kSender, share.connections, 0);
  add_connections(Role::kIdle, share.idle, options.connections);
  add_connections(Role::kNeverReader, share.never_read, options.connections + options.idle);
}

void TcpWorker::add_connections(Role role, Part part, uint64_t first_number) {
  const Options& options = run_.options;
  for (uint64_t i = 0; i < part.count; ++i) {
    const uint64_t number = first_number + part.first + i;
    const auto slot = static_cast<uint32_t>(connections_.size());
    Connection& connection =
        connections_.emplace_back(role, number, EchoStream(run_.payload, options.framing, number));
    if (role == Role::kSender && has_churn()) continue;  // begin() lets them go
    if (role == Role::kSender && !options.is_open_loop()) {
      connection.stream.keep_start_times(options.pipeline);
    }
    waiting_.push_back(slot);
  }
}

void TcpWorker::run() {
  auto loop = EventLoop::create();
  if (loop) {
    loop_.emplace(std::move(loop).value());
    sharpen_timers();
    while (!is_finished()) turn();
    if (failures_in_a_row_ >= kFailuresInARowMax) {
      statistics_.add_error("gave up", "too many failed connects in a row");
    }
    run_.mark_done();
    while (!is_over_for_all()) turn();  // idle connections are held until the last worker is done
    finish();
  } else {
    statistics_.add_error("epoll", loop.error().message());
    run_.mark_done();
  }
  publish();
  if (!is_ready_) run_.mark_ready();
}

// True: nothing is in flight, and nothing will be. The order to stop and giving up do not wait.
bool TcpWorker::is_finished() const noexcept {
  // The signal handler's store needs no company; see RunState::is_stopped.
  if (run_.is_stopped.load(std::memory_order_relaxed)) return true;
  if (failures_in_a_row_ >= kFailuresInARowMax) return true;
  if (!period_) return false;
  if (has_churn()) return cycles_ended_ == share_.churn.count;
  if (busy_ > 0) return false;
  if (share_.connections.count > 0 && open_senders_ == 0) return true;
  return !has_more_to_start();
}

bool TcpWorker::is_over_for_all() const noexcept {
  if (run_.is_stopped.load(std::memory_order_relaxed)) return true;
  return !period_ || share_.idle.count == 0 || run_.are_all_done();
}

bool TcpWorker::has_more_to_start() const noexcept {
  const Options& options = run_.options;
  if (!options.is_open_loop() || share_.connections.count == 0) {
    return options.messages == 0 && now_ < period_->end;  // with --messages, senders stay busy
  }
  const uint64_t k = next_round_ * options.connections + share_.connections.first + next_sender_;
  return options.messages > 0 ? k < options.messages : schedule_.at(k) < period_->end;
}

// One pass: connects that may be started, messages that are due, then whatever the kernel has.
void TcpWorker::turn() {
  now_ = run_.clock.now();
  launch_connects();
  begin_when_all_are_ready();
  if (period_ && run_.options.is_open_loop()) start_due_messages();
  for (const epoll_event& event : loop_->wait(wait_limit())) {
    now_ = run_.clock.now();
    on_event(event);
  }
  if (now_ < check_at_) return;
  check_at_ = now_ + kCheckInterval;
  check_deadlines();
  publish();
}

Nanos TcpWorker::wait_limit() const noexcept {
  Nanos limit = check_at_ - now_;
  if (!waiting_.empty() && connecting_ < kConnectingMax)
    limit = std::min(limit, connect_at_ - now_);
  if (is_ready_ && !period_) limit = std::min(limit, kReadyInterval);
  if (period_ && now_ < period_->end) limit = std::min(limit, period_->end - now_);
  if (period_ && run_.options.is_open_loop() && has_more_to_start()) {
    const uint64_t k =
        next_round_ * run_.options.connections + share_.connections.first + next_sender_;
    limit = std::min(limit, schedule_.at(k) - now_);
  }
  return limit;
}

// Events that are there already still count: an idle connection that was closed, bytes too many.
void TcpWorker::finish() {
  if (run_.is_stopped.load(std::memory_order_relaxed)) return;
  for (const epoll_event& event : loop_->wait(Nanos(0))) on_event(event);
}

void TcpWorker::begin_when_all_are_ready() {
  if (period_) return;
  if (!is_ready_ && waiting_.empty() && connecting_ == 0) {
    is_ready_ = true;
    run_.mark_ready();
  }
  if (!is_ready_) return;
  period_ = run_.period();
  if (period_) begin();
}

void TcpWorker::begin() {
  statistics_.first_measured = period_->measure_from;
  schedule_ = run_.schedule(*period_);
  now_ = run_.clock.now();
  for (uint32_t slot = 0; slot < share_.connections.count; ++slot) {
    Connection& connection = connections_[slot];
    if (has_churn()) {
      waiting_.push_back(slot);
    } else if (connection.state == State::kOpen && !run_.options.is_open_loop()) {
      top_up(connection);
      flush(slot);
    }
  }
  launch_connects();
}

void TcpWorker::launch_connects() {
  const Options& options = run_.options;
  while (!waiting_.empty() && connecting_ < kConnectingMax && now_ >= connect_at_ &&
         failures_in_a_row_ < kFailuresInARowMax) {
    const uint32_t slot = waiting_.front();
    waiting_.pop_front();
    Connection& connection = connections_[slot];
    if (options.connect_rate > 0) {
      const double interval =
          1e9 * static_cast<double>(options.threads) / static_cast<double>(options.connect_rate);
      connect_at_ =
          std::max(connect_at_, now_ - kCheckInterval) + Nanos(static_cast<int64_t>(interval));
    }
    const bool is_new_cycle =
        has_churn() && connection.role == Role::kSender && connection.connect_at == Nanos(0);
    if (is_new_cycle) {
      if (cycles_started_ == share_.churn.count) continue;
      connection.number = share_.churn.first + cycles_started_++;
      connection.stream = EchoStream(run_.payload, options.framing, connection.number);
      connection.stream.keep_start_times(1);
    }
    open_connection(slot);
  }
}

void TcpWorker::open_connection(uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.connect_at == Nanos(0)) connection.connect_at = now_;
  connection.state = State::kConnecting;
  ++connecting_;
  const Status status = start_connect(connection, slot);
  if (status) return;
  const bool is_out_of_ports = status.error().sys_errno() == EADDRNOTAVAIL &&
                               now_ - connection.connect_at < run_.options.connect_timeout;
  if (!is_out_of_ports) return fail_connect(slot, "connect: " + status.error().message());
  // Closed connections block their ports for a while: later it may work.
  connection.fd.reset();
  connection.state = State::kWaiting;
  --connecting_;
  waiting_.push_back(slot);
  connect_at_ = now_ + kPortRetryDelay;
}

Status TcpWorker::start_connect(Connection& connection, uint32_t slot) {
  const Options& options = run_.options;
  const auto opened = kernel_.open_socket(options.target.family(), os::SocketType::kStream);
  if (!opened) return opened.error();
  connection.fd = os::UniqueFd(*opened);
  const int fd = connection.fd.get();
  if (!options.sources.empty()) {
    bind_address_without_port(fd);
    const auto& source = options.sources[connection.number % options.sources.size()];
    if (const Status bound = kernel_.bind(fd, source); !bound) return bound;
  }
  const Status set = kernel_.set_option(fd, os::SocketOption::kNoDelay, 1);
  if (!set) return set;
  const Status status = kernel_.connect(fd, options.target);
  if (!status && !os::is_in_progress(status.error())) return status;
  return loop_->add(fd, EPOLLOUT, token_of(slot, connection.generation));
}

void TcpWorker::on_connected(Connection& connection, uint32_t slot) {
  const Status status = kernel_.take_error(connection.fd.get());
  if (!status) return fail_connect(slot, "connect: " + status.error().message());
  connection.state = State::kOpen;
  --connecting_;
  ++open_;
  if (connection.role == Role::kSender) ++open_senders_;
  ++statistics_.connections_made;
  failures_in_a_row_ = 0;
  const bool is_never_reader = connection.role == Role::kNeverReader;
  if (!arm(slot, is_never_reader ? uint32_t{EPOLLOUT | EPOLLRDHUP} : uint32_t{EPOLLIN})) return;
  if (connection.role != Role::kSender || !has_churn()) return;
  connection.stream.start(connection.connect_at);  // the cycle's latency includes connecting
  set_busy(connection, true);
  flush(slot);
}

void TcpWorker::fail_connect(uint32_t slot, std::string_view reason) {
  ++statistics_.connections_failed;
  ++failures_in_a_row_;
  statistics_.add_error(reason, "connection " + std::to_string(connections_[slot].number));
  close(slot);
}

void TcpWorker::on_event(const epoll_event& event) {
  const auto slot = static_cast<uint32_t>(event.data.u64);
  Connection& connection = connections_[slot];
  if (connection.generation != event.data.u64 >> 32) return;
  switch (connection.state) {
    case State::kConnecting: return on_connected(connection, slot);
    case State::kOpen: return on_open_event(slot, event.events);
    case State::kHalfClosed: return read_end(slot);
    case State::kWaiting:
    case State::kClosed: return;
  }
}

void TcpWorker::on_open_event(uint32_t slot, uint32_t events) {
  Connection& connection = connections_[slot];
  const uint32_t generation = connection.generation;
  const bool has_ended = (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0;
  if (connection.role == Role::kNeverReader) {
    if (!has_ended) return feed_never_reader(slot);
    ++statistics_.never_read_closed;
    return close(slot);
  }
  if ((events & EPOLLIN) != 0 || has_ended) read(slot);
  if ((events & EPOLLOUT) != 0 && connection.generation == generation) flush(slot);
}

void TcpWorker::read(uint32_t slot) {
  const auto received = kernel_.recv(connections_[slot].fd.get(), input_);
  now_ = run_.clock.now();
  if (received && *received > 0) return on_bytes(slot, std::span(input_).first(*received));
  if (received) return drop(slot, "closed by the server");
  if (!os::is_transient(received.error())) drop(slot, "read: " + received.error().message());
}

void TcpWorker::on_bytes(uint32_t slot, std::span<const char> bytes) {
  Connection& connection = connections_[slot];
  const uint64_t first = connection.stream.completed();
  const auto received = connection.stream.receive(bytes);
  connection.progress_at = now_;
  for (uint64_t i = 0; i < received.messages; ++i) complete(connection, first + i);
  statistics_.corrupt_bytes += received.corrupt_bytes + received.excess_bytes;
  if (received.has_wrong_header) return drop(slot, "wrong frame length");
  if (received.excess_bytes > 0) return drop(slot, "bytes that answer nothing");
  if (received.corrupt_bytes > 0) statistics_.add_error("corrupt bytes", place_of(connection));
  if (has_churn()) {
    if (received.messages > 0) await_end(slot);
    return;
  }
  if (!run_.options.is_open_loop()) top_up(connection);
  set_busy(connection, connection.stream.in_flight() > 0);
  flush(slot);
}

void TcpWorker::complete(const Connection& connection, uint64_t number) {
  const Options& options = run_.options;
  const Nanos start = options.is_open_loop()
                          ? schedule_.at(number * options.connections + connection.number)
                          : connection.stream.started_at(number);
  ++statistics_.messages_total;
  if (start < period_->measure_from) return;
  ++statistics_.messages;
  statistics_.payload_bytes += run_.payload.size_of({connection.number, number});
  statistics_.latency.record(now_ - start);
  statistics_.last_completed = now_;
}

// Waiting for the server's FIN proves that it lets go of the connection, and keeps at most
// --connections of them alive on its side.
void TcpWorker::await_end(uint32_t slot) {
  Connection& connection = connections_[slot];
  const Status status = kernel_.shutdown_write(connection.fd.get());
  if (!status) return drop(slot, "shutdown: " + status.error().message());
  connection.state = State::kHalfClosed;
}

void TcpWorker::read_end(uint32_t slot) {
  const auto received = kernel_.recv(connections_[slot].fd.get(), input_);
  if (received && *received == 0) return close(slot);
  if (received) {
    statistics_.corrupt_bytes += *received;
    return drop(slot, "bytes that answer nothing");
  }
  if (!os::is_transient(received.error())) drop(slot, "read: " + received.error().message());
}

void TcpWorker::top_up(Connection& connection) {
  while (connection.stream.in_flight() < run_.options.pipeline && may_start(connection)) {
    connection.stream.start(now_);
  }
  set_busy(connection, connection.stream.in_flight() > 0);
}

bool TcpWorker::may_start(const Connection& connection) const noexcept {
  const Options& options = run_.options;
  if (options.messages == 0) return now_ < period_->end;
  const Part own = part_of(options.messages, options.connections, connection.number);
  return connection.stream.started() < own.count;
}

void TcpWorker::start_due_messages() {
  const Options& options = run_.options;
  for (uint64_t i = 0; i < kDuePerTurnMax && has_more_to_start(); ++i) {
    const auto slot = static_cast<uint32_t>(next_sender_);
    Connection& connection = connections_[slot];
    if (schedule_.at(next_round_ * options.connections + connection.number) > now_) break;
    if (++next_sender_ == share_.connections.count) next_sender_ = 0, ++next_round_;
    if (connection.state != State::kOpen) continue;  // its end was an error, and is counted
    connection.stream.start(now_);
    set_busy(connection, true);
    if (!std::exchange(connection.is_due, true)) due_.push_back(slot);
  }
  for (const uint32_t slot : due_) {
    connections_[slot].is_due = false;
    if (connections_[slot].state == State::kOpen) flush(slot);
  }
  due_.clear();
}

void TcpWorker::feed_never_reader(uint32_t slot) {
  EchoStream& stream = connections_[slot].stream;
  if (!stream.has_unsent()) stream.start(now_);
  flush(slot);
}

// Sends what is started until the kernel takes no more; the rest is generated again later.
void TcpWorker::flush(uint32_t slot) {
  Connection& connection = connections_[slot];
  while (connection.stream.has_unsent()) {
    const iovec part{output_.data(), connection.stream.fill(output_)};
    const auto sent = kernel_.send(connection.fd.get(), std::span(&part, 1));
    if (!sent && !os::is_transient(sent.error())) {
      if (connection.role != Role::kNeverReader) {
        return drop(slot, "write: " + sent.error().message());
      }
      ++statistics_.never_read_closed;
      return close(slot);
    }
    if (sent) connection.stream.sent(*sent);
    if (!sent || *sent < part.iov_len) break;
  }
  if (connection.role == Role::kNeverReader) return;  // armed for ever
  const bool is_full = connection.stream.has_unsent();
  if (is_full == connection.is_write_armed) return;
  connection.is_write_armed = is_full;
  arm(slot, is_full ? uint32_t{EPOLLIN | EPOLLOUT} : uint32_t{EPOLLIN});
}

bool TcpWorker::arm(uint32_t slot, uint32_t events) {
  const Connection& connection = connections_[slot];
  const Status status =
      loop_->modify(connection.fd.get(), events, token_of(slot, connection.generation));
  if (!status) drop(slot, "epoll: " + status.error().message());
  return status.ok();
}

void TcpWorker::set_busy(Connection& connection, bool is_busy) noexcept {
  if (connection.is_busy == is_busy) return;
  connection.is_busy = is_busy;
  connection.progress_at = now_;
  is_busy ? ++busy_ : --busy_;
}

void TcpWorker::check_deadlines() {
  const Options& options = run_.options;
  for (uint32_t slot = 0; slot < connections_.size(); ++slot) {
    const Connection& connection = connections_[slot];
    const bool is_waiting = connection.is_busy && now_ - connection.progress_at > options.timeout;
    if (connection.state == State::kConnecting &&
        now_ - connection.connect_at > options.connect_timeout) {
      fail_connect(slot, "connect timeout");
    } else if (connection.state == State::kOpen && is_waiting) {
      drop(slot, "no reply in time");
    } else if (connection.state == State::kHalfClosed && is_waiting) {
      drop(slot, "not closed by the server in time");
    }
  }
}

void TcpWorker::publish() noexcept {
  run_.messages.fetch_add(statistics_.messages_total - published_messages_,
                          std::memory_order_relaxed);
  run_.errors.fetch_add(statistics_.errors - published_errors_, std::memory_order_relaxed);
  run_.connections.fetch_add(open_ - published_connections_, std::memory_order_relaxed);
  published_messages_ = statistics_.messages_total;
  published_errors_ = statistics_.errors;
  published_connections_ = open_;
}

std::string TcpWorker::place_of(const Connection& connection) const {
  const EchoStream& stream = connection.stream;
  std::string place = "connection " + std::to_string(connection.number);
  if (connection.role == Role::kIdle) return place + " (idle)";
  if (stream.in_flight() == 0) {
    return place + " after message " + std::to_string(stream.completed());
  }
  return place + " at byte " + std::to_string(stream.arrived_bytes()) + " of " +
         std::to_string(stream.awaited_bytes()) + " of message " +
         std::to_string(stream.completed() + 1) + ", " + std::to_string(stream.in_flight()) +
         " in flight";
}

void TcpWorker::drop(uint32_t slot, std::string_view reason) {
  ++statistics_.connections_dropped;
  statistics_.add_error(reason, place_of(connections_[slot]));
  close(slot);
}

void TcpWorker::close(uint32_t slot) {
  Connection& connection = connections_[slot];
  if (connection.state == State::kConnecting) {
    --connecting_;
  } else {
    --open_;
    if (connection.role == Role::kSender) --open_senders_;
  }
  set_busy(connection, false);
  connection.fd.reset();
  ++connection.generation;
  connection.is_write_armed = false;
  connection.state = State::kClosed;
  if (connection.role != Role::kSender || !has_churn()) return;
  ++cycles_ended_;
  connection.state = State::kWaiting;
  connection.connect_at = Nanos(0);
  waiting_.push_back(slot);
}

}  // namespace skyloom::load
