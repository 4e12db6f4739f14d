#include "lua/modules/frame_queue.hpp"

#include <cstring>
#include <utility>

#include "base/memory.hpp"

namespace skyloom::lua {
namespace {

using net::FrameCutter;

constexpr size_t kFramesKept = 256;  // room that stays when all frames are gone

bool is_one_frame(const char* data, size_t size) noexcept {
  if (size < kFrameHeaderBytes) return false;
  const auto high = static_cast<unsigned char>(data[0]);
  const auto low = static_cast<unsigned char>(data[1]);
  return size - kFrameHeaderBytes == (size_t{high} << 8 | low);
}

}  // namespace

FrameQueue::Added FrameQueue::add(int socket, base::Block data, size_t size,
                                  QueuedFrame& whole) noexcept {
  const bool waits_for_none = is_empty();
  if (waits_for_none && is_one_frame(data.get(), size) && !partial_.contains(socket)) {
    const size_t payload_size = size - kFrameHeaderBytes;
    std::memmove(data.get(), data.get() + kFrameHeaderBytes, payload_size);
    whole = {socket, std::move(data), payload_size};
    return Added::kOne;
  }
  const size_t before = frames_.size();
  bool is_cut = false;
  if (!base::try_allocate([&] { is_cut = cut(socket, {data.get(), size}); }) || !is_cut) {
    data.reset();  // what lose() needs
    lose(socket, before);
    return Added::kNoMemory;
  }
  const size_t added = frames_.size() - before;
  if (added == 0) return Added::kNothing;
  if (added > 1 || !waits_for_none) return Added::kMore;
  (void)pop(whole);
  return Added::kOne;
}

// False: no memory.
bool FrameQueue::cut(int socket, std::span<const char> input) {
  const auto found = partial_.find(socket);
  const bool is_known = found != partial_.end();
  if (is_known && !found->second) return true;  // lost: nothing here is a header
  FrameCutter fresh(codec::Framing::kLength16, kFrameBytesMax, net::EmptyFrames::kKeep);
  FrameCutter& cutter = is_known ? *found->second : fresh;
  while (!input.empty()) {
    auto frame = cutter.next(input);
    if (!frame) return false;
    if (!frame->block) break;
    frames_.push_back({socket, std::move(frame->block), frame->size});
  }
  if (is_known && cutter.is_between_frames()) partial_.erase(found);
  if (!is_known && !cutter.is_between_frames()) partial_.emplace(socket, std::move(fresh));
  return true;
}

void FrameQueue::lose(int socket, size_t frames_before) noexcept {
  frames_.resize(frames_before);
  partial_.erase(socket);
  (void)base::try_allocate([&] { partial_.emplace(socket, std::nullopt); });
}

bool FrameQueue::pop(QueuedFrame& frame) noexcept {
  if (is_empty()) return false;
  frame = std::move(frames_[next_++]);
  if (is_empty()) {
    frames_.clear();
    next_ = 0;
    if (frames_.capacity() > kFramesKept) std::vector<QueuedFrame>().swap(frames_);
  } else if (next_ >= kFramesKept && next_ > frames_.size() / 2) {
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<ptrdiff_t>(next_));
    next_ = 0;
  }
  return true;
}

void FrameQueue::clear() noexcept {
  std::vector<QueuedFrame>().swap(frames_);
  next_ = 0;
  std::unordered_map<int, Cutter>().swap(partial_);
}

}  // namespace skyloom::lua
