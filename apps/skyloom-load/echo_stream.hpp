// One TCP connection's conversation without its socket: which bytes to send next, and whether the
// bytes that come back are the same ones. Nothing that was sent is kept; see payload.hpp.
// Home: the worker of the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "codec/framing.hpp"
#include "payload.hpp"

namespace skyloom::load {

class EchoStream {
 public:
  // `payload` outlives the stream. `connection` names it in the payload.
  EchoStream(const Payload& payload, codec::Framing framing, uint64_t connection) noexcept
      : payload_(&payload), framing_(framing), connection_(connection) {}

  // Makes room for the start times of `messages` in flight. Without it (open loop, where the
  // schedule knows them) started_at() must not be asked.
  void keep_start_times(size_t messages) { start_times_.resize(messages); }

  // One more message is to be sent. With start times: at most as many in flight as there is room
  // for.
  void start(base::Nanos now) noexcept;
  // The next bytes to send, as many as are started and fit; what the kernel took goes to sent().
  size_t fill(std::span<char> into) const noexcept;
  void sent(size_t bytes) noexcept;
  bool has_unsent() const noexcept { return sending_.number < started_; }

  struct Received {
    uint64_t messages = 0;     // completed by these bytes
    size_t payload_bytes = 0;  // of the bytes given, without headers
    size_t corrupt_bytes = 0;  // differ from what was sent
    size_t excess_bytes = 0;   // nothing was sent that they could answer
    bool has_wrong_header =
        false;  // the frame length is not ours: the stream has no meaning any more
  };
  Received receive(std::span<const char> bytes) noexcept;

  uint64_t started() const noexcept { return started_; }
  uint64_t completed() const noexcept { return receiving_.number; }
  uint64_t in_flight() const noexcept { return started_ - receiving_.number; }
  // Bytes (header included) of message completed() that have arrived, and its size.
  size_t arrived_bytes() const noexcept { return receiving_.offset; }
  size_t awaited_bytes() const noexcept { return wire_size(receiving_.number); }
  // Of a message in flight or just completed.
  base::Nanos started_at(uint64_t number) const noexcept {
    return start_times_[number % start_times_.size()];
  }

 private:
  struct Cursor {
    uint64_t number = 0;
    size_t offset = 0;  // header included
  };

  MessageId id_of(uint64_t number) const noexcept { return {connection_, number}; }
  size_t wire_size(uint64_t number) const noexcept {
    return codec::header_size(framing_) + payload_->size_of(id_of(number));
  }
  void advance(Cursor& cursor, size_t bytes) const noexcept;
  void verify(std::span<const char> bytes, Received& received) const noexcept;

  const Payload* payload_;
  codec::Framing framing_;
  uint64_t connection_;
  uint64_t started_ = 0;
  Cursor sending_;
  Cursor receiving_;
  std::vector<base::Nanos> start_times_;
};

}  // namespace skyloom::load
