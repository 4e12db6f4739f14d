#include "udp_worker.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <utility>

namespace skyloom::load {
namespace {

using base::Nanos;
using base::Status;

constexpr size_t kDatagramBytesMax = 65'536;
constexpr int kReadsPerEventMax = 64;
constexpr uint64_t kDuePerTurnMax = 10'000;  // so that a late sender still reads
constexpr Nanos kCheckInterval{50'000'000};
constexpr Nanos kReadyInterval{1'000'000};
constexpr int kReceiveBufferBytes = 4 << 20;  // a slow client must not look like a losing server
constexpr size_t kSlotsMin = 16;
constexpr size_t kSlotsMax = 65'536;

// Closed loop: one slot per datagram in flight. Open loop: what the schedule sends per socket
// within the loss timeout, and some more.
size_t slots_for(const Options& options) noexcept {
  if (!options.is_open_loop()) return options.pipeline;
  const double rate = static_cast<double>(options.rate) / static_cast<double>(options.connections);
  const double awaited = rate * static_cast<double>(options.loss_timeout.count()) / 1e9;
  const double wanted = std::min(awaited * 1.5, static_cast<double>(kSlotsMax));
  return std::clamp(static_cast<size_t>(wanted), kSlotsMin, kSlotsMax);
}

}  // namespace

UdpWorker::UdpWorker(RunState& run, const Share& share)
    : run_(run), share_(share), buffer_(kDatagramBytesMax) {
  connections_.reserve(share.connections.count);
  for (uint64_t i = 0; i < share.connections.count; ++i) {
    const uint64_t number = share.connections.first + i;
    connections_.push_back(
        {{}, number, DatagramWindow(run.payload, number, slots_for(run.options)), Nanos(0)});
  }
}

void UdpWorker::run() {
  auto loop = EventLoop::create();
  if (loop) {
    loop_.emplace(std::move(loop).value());
    sharpen_timers();
    open_sockets();
  } else {
    statistics_.add_error("epoll", loop.error().message());
  }
  run_.mark_ready();
  if (loop_) {
    while (!is_finished()) turn();
  }
  publish();
  run_.mark_done();
}

void UdpWorker::open_sockets() {
  for (uint32_t slot = 0; slot < connections_.size(); ++slot) {
    const Status status = open_socket(slot);
    if (status) {
      ++open_;
      ++statistics_.connections_made;
    } else {
      ++statistics_.connections_failed;
      statistics_.add_error("open: " + status.error().message(), "socket " + std::to_string(slot));
      connections_[slot].fd.reset();
    }
  }
}

Status UdpWorker::open_socket(uint32_t slot) {
  const Options& options = run_.options;
  Connection& connection = connections_[slot];
  const auto opened = kernel_.open_socket(options.target.family(), os::SocketType::kDatagram);
  if (!opened) return opened.error();
  connection.fd = os::UniqueFd(*opened);
  const int fd = connection.fd.get();
  // Best effort: the kernel cuts it to what is allowed.
  (void)kernel_.set_option(fd, os::SocketOption::kReceiveBuffer, kReceiveBufferBytes);
  if (!options.sources.empty()) {
    const auto& source = options.sources[connection.number % options.sources.size()];
    if (const Status bound = kernel_.bind(fd, source); !bound) return bound;
  }
  if (const Status connected = kernel_.connect(fd, options.target); !connected) return connected;
  return loop_->add(fd, EPOLLIN, slot);
}

bool UdpWorker::is_finished() const noexcept {
  // Nothing is read because of the flag, so it needs no order.
  if (run_.is_stopped.load(std::memory_order_relaxed)) return true;
  if (!period_) return false;
  if (open_ == 0) return true;
  if (has_more_to_send()) return false;
  return std::all_of(connections_.begin(), connections_.end(), [](const Connection& connection) {
    return connection.window.awaited() == 0 || !connection.fd.is_open();
  });
}

// Closed loop with --messages: what is still to be sent hangs on datagrams that are awaited.
bool UdpWorker::has_more_to_send() const noexcept {
  const Options& options = run_.options;
  if (!options.is_open_loop()) return options.messages == 0 && now_ < period_->end;
  const uint64_t k = next_message();
  return options.messages > 0 ? k < options.messages : schedule_.at(k) < period_->end;
}

uint64_t UdpWorker::next_message() const noexcept {
  return next_round_ * run_.options.connections + share_.connections.first + next_sender_;
}

void UdpWorker::turn() {
  now_ = run_.clock.now();
  if (!period_) {
    period_ = run_.period();
    if (period_) begin();
  }
  if (period_ && run_.options.is_open_loop()) send_due();
  for (const epoll_event& event : loop_->wait(wait_limit())) {
    read(static_cast<uint32_t>(event.data.u64));
  }
  now_ = run_.clock.now();
  if (now_ < check_at_) return;
  check_at_ = now_ + kCheckInterval;
  if (period_) check_deadlines();
  publish();
}

Nanos UdpWorker::wait_limit() const noexcept {
  Nanos limit = check_at_ - now_;
  if (!period_) return std::min(limit, kReadyInterval);
  if (now_ < period_->end) limit = std::min(limit, period_->end - now_);
  if (run_.options.is_open_loop() && has_more_to_send()) {
    limit = std::min(limit, schedule_.at(next_message()) - now_);
  }
  return limit;
}

void UdpWorker::begin() {
  statistics_.first_measured = period_->measure_from;
  schedule_ = run_.schedule(*period_);
  for (uint32_t slot = 0; slot < connections_.size(); ++slot) {
    connections_[slot].progress_at = now_;
    if (run_.options.is_open_loop()) continue;
    for (uint64_t i = 0; i < run_.options.pipeline; ++i) send_next(slot, i);
  }
}

void UdpWorker::send_due() {
  for (uint64_t i = 0; i < kDuePerTurnMax && has_more_to_send(); ++i) {
    const Nanos due = schedule_.at(next_message());
    if (due > now_) return;
    send(static_cast<uint32_t>(next_sender_), next_round_, due);
    if (++next_sender_ == connections_.size()) next_sender_ = 0, ++next_round_;
  }
}

// Closed loop: datagram `number`, unless the run has had enough.
void UdpWorker::send_next(uint32_t slot, uint64_t number) {
  const Options& options = run_.options;
  const uint64_t connection = connections_[slot].number;
  const bool may_send =
      options.messages > 0
          ? number < part_of(options.messages, options.connections, connection).count
          : now_ < period_->end;
  if (may_send) send(slot, number, now_);
}

void UdpWorker::send(uint32_t slot, uint64_t number, Nanos start) {
  Connection& connection = connections_[slot];
  if (!connection.fd.is_open()) return;
  if (connection.window.awaited() == 0)
    connection.progress_at = std::max(connection.progress_at, start);
  const iovec part{buffer_.data(), connection.window.fill(number, buffer_)};
  const auto sent = kernel_.send(connection.fd.get(), std::span(&part, 1));
  if (connection.window.sent(number, start)) ++statistics_.lost;
  // No room in the kernel is a loss like any other: the deadline finds it.
  if (sent || os::is_transient(sent.error())) return;
  drop(slot, "send: " + sent.error().message());
}

void UdpWorker::read(uint32_t slot) {
  for (int i = 0; i < kReadsPerEventMax; ++i) {
    Connection& connection = connections_[slot];
    if (!connection.fd.is_open()) return;
    const auto received = kernel_.recv(connection.fd.get(), buffer_);
    if (!received) {
      if (!os::is_transient(received.error())) drop(slot, "read: " + received.error().message());
      return;
    }
    now_ = run_.clock.now();
    on_datagram(slot, std::span(buffer_).first(*received));
  }
}

void UdpWorker::on_datagram(uint32_t slot, std::span<const char> datagram) {
  using Verdict = DatagramWindow::Verdict;
  Connection& connection = connections_[slot];
  const auto received = connection.window.receive(datagram);
  switch (received.verdict) {
    case Verdict::kAnswered:
      connection.progress_at = now_;
      complete(connection.number, received);
      if (!run_.options.is_open_loop()) {
        send_next(slot, received.number + connection.window.slots());
      }
      return;
    case Verdict::kLate: ++statistics_.late; return;
    case Verdict::kDuplicate: ++statistics_.duplicates; return;
    case Verdict::kCorrupt:
      ++statistics_.corrupt_datagrams;
      statistics_.corrupt_bytes += std::max<size_t>(received.corrupt_bytes, 1);
      statistics_.add_error("corrupt datagram", "socket " + std::to_string(connection.number) +
                                                    ", " + std::to_string(datagram.size()) +
                                                    " bytes");
      return;
  }
}

void UdpWorker::complete(uint64_t connection, const DatagramWindow::Received& received) {
  ++statistics_.messages_total;
  if (received.sent_at < period_->measure_from) return;
  ++statistics_.messages;
  statistics_.payload_bytes += run_.payload.size_of({connection, received.number});
  statistics_.latency.record(now_ - received.sent_at);
  statistics_.last_completed = now_;
}

void UdpWorker::check_deadlines() {
  const Options& options = run_.options;
  for (uint32_t slot = 0; slot < connections_.size(); ++slot) {
    Connection& connection = connections_[slot];
    if (!connection.fd.is_open() || connection.window.awaited() == 0) continue;
    if (now_ - connection.progress_at > options.timeout) {
      statistics_.lost += connection.window.awaited();
      drop(slot, "no reply in time");
      continue;
    }
    connection.window.expire(now_ - options.loss_timeout, [&](uint64_t number) {
      ++statistics_.lost;
      if (!options.is_open_loop()) send_next(slot, number + connection.window.slots());
    });
  }
}

void UdpWorker::publish() noexcept {
  run_.messages.fetch_add(statistics_.messages_total - published_messages_,
                          std::memory_order_relaxed);
  run_.errors.fetch_add(statistics_.errors - published_errors_, std::memory_order_relaxed);
  run_.connections.fetch_add(open_ - published_connections_, std::memory_order_relaxed);
  published_messages_ = statistics_.messages_total;
  published_errors_ = statistics_.errors;
  published_connections_ = open_;
}

void UdpWorker::drop(uint32_t slot, std::string_view reason) {
  Connection& connection = connections_[slot];
  ++statistics_.connections_dropped;
  statistics_.add_error(reason, "socket " + std::to_string(connection.number) + ", " +
                                    std::to_string(connection.window.awaited()) + " awaited");
  connection.fd.reset();
  --open_;
}

}  // namespace skyloom::load
