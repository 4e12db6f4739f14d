// One UDP socket's conversation without its socket: a number and a check in every datagram, which
// replies are awaited, which are lost, late, doubled or damaged. Home: the worker of the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "payload.hpp"

namespace skyloom::load {

class DatagramWindow {
 public:
  static constexpr size_t kHeaderBytes = 16;  // number, check

  // Datagram `number` is awaited in slot `number % slots`. `payload` outlives the window.
  DatagramWindow(const Payload& payload, uint64_t connection, size_t slots)
      : payload_(&payload), connection_(connection), slots_(slots) {}

  // Writes datagram `number`; returns its size. `into` holds the largest one.
  size_t fill(uint64_t number, std::span<char> into) const noexcept;
  // Datagram `number` leaves. True when its slot still awaited an older one, which is lost now.
  bool sent(uint64_t number, base::Nanos now) noexcept;

  enum class Verdict : uint8_t { kAnswered, kLate, kDuplicate, kCorrupt };
  struct Received {
    Verdict verdict = Verdict::kCorrupt;
    uint64_t number = 0;       // except kCorrupt
    base::Nanos sent_at{0};    // kAnswered
    size_t corrupt_bytes = 0;  // kCorrupt
  };
  Received receive(std::span<const char> datagram) noexcept;

  // Calls `on_lost(number)` for every awaited datagram that was sent before `deadline`, and awaits
  // it no more.
  template <class OnLost>
  void expire(base::Nanos deadline, OnLost on_lost) {
    for (Slot& slot : slots_) {
      if (slot.state != State::kAwaited || slot.sent_at >= deadline) continue;
      lose(slot);
      on_lost(slot.number);
    }
  }

  size_t slots() const noexcept { return slots_.size(); }
  size_t awaited() const noexcept { return awaited_; }

 private:
  enum class State : uint8_t { kFree, kAwaited, kAnswered, kLost };
  struct Slot {
    uint64_t number = 0;
    base::Nanos sent_at{0};
    State state = State::kFree;
    State previous = State::kFree;  // how the slot's last datagram but one ended
  };

  void lose(Slot& slot) noexcept {
    slot.state = State::kLost;
    --awaited_;
  }
  MessageId id_of(uint64_t number) const noexcept { return {connection_, number}; }

  const Payload* payload_;
  uint64_t connection_;
  std::vector<Slot> slots_;
  size_t awaited_ = 0;
};

}  // namespace skyloom::load
