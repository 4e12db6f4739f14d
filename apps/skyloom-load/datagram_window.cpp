#include "datagram_window.hpp"

#include <cstring>

namespace skyloom::load {

size_t DatagramWindow::fill(uint64_t number, std::span<char> into) const noexcept {
  const MessageId id = id_of(number);
  const size_t size = payload_->size_of(id);
  const uint64_t check = payload_->tag_of(id);
  std::memcpy(into.data(), &number, sizeof number);
  std::memcpy(into.data() + sizeof number, &check, sizeof check);
  payload_->fill(id, kHeaderBytes, into.subspan(kHeaderBytes, size - kHeaderBytes));
  return size;
}

bool DatagramWindow::sent(uint64_t number, base::Nanos now) noexcept {
  Slot& slot = slots_[number % slots_.size()];
  const bool is_overrun = slot.state == State::kAwaited;
  if (is_overrun) lose(slot);
  slot = {number, now, State::kAwaited, slot.state};
  ++awaited_;
  return is_overrun;
}

DatagramWindow::Received DatagramWindow::receive(std::span<const char> datagram) noexcept {
  Received received;
  if (datagram.size() < kHeaderBytes) return {.corrupt_bytes = datagram.size()};
  uint64_t check = 0;
  std::memcpy(&received.number, datagram.data(), sizeof received.number);
  std::memcpy(&check, datagram.data() + sizeof received.number, sizeof check);
  const MessageId id = id_of(received.number);
  Slot& slot = slots_[received.number % slots_.size()];
  // Without the right check the number means nothing; numbers that were never sent have none
  // either.
  const bool is_ours =
      check == payload_->tag_of(id) && slot.state != State::kFree && received.number <= slot.number;
  if (!is_ours || datagram.size() != payload_->size_of(id)) {
    return {.corrupt_bytes = datagram.size()};
  }
  received.corrupt_bytes = payload_->count_wrong(id, kHeaderBytes, datagram.subspan(kHeaderBytes));
  if (received.corrupt_bytes > 0) return received;
  State end = slot.state;
  if (received.number < slot.number) {
    // Of older ones than the last but one nothing is known; a second copy is the likelier story.
    const bool is_last_but_one = slot.number - received.number == slots_.size();
    end = is_last_but_one ? slot.previous : State::kAnswered;
  }
  if (end == State::kAwaited) {
    slot.state = State::kAnswered;
    --awaited_;
    received.sent_at = slot.sent_at;
    received.verdict = Verdict::kAnswered;
  } else {
    received.verdict = end == State::kLost ? Verdict::kLate : Verdict::kDuplicate;
  }
  return received;
}

}  // namespace skyloom::load
