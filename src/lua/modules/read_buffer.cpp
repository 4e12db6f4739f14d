#include "lua/modules/read_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace skyloom::lua {

bool ReadBuffer::push(base::Block data, size_t size) noexcept {
  if (size == 0) return true;
  auto* piece = static_cast<Piece*>(std::malloc(sizeof(Piece)));
  if (piece == nullptr) return false;
  *piece = {nullptr, data.release(), end_, end_ + size};
  (first_ == nullptr ? first_ : last_->next) = piece;
  last_ = piece;
  end_ += size;
  return true;
}

std::optional<size_t> ReadBuffer::find(std::string_view separator) noexcept {
  searched_ = std::max(searched_, begin_);
  Piece* piece = searched_in_ == nullptr ? first_ : searched_in_;
  for (; piece != nullptr; piece = piece->next) {
    searched_in_ = piece;
    while (searched_ < piece->end) {
      const char* from = piece->data + (searched_ - piece->begin);
      const void* hit = std::memchr(from, separator.front(), piece->end - searched_);
      if (hit == nullptr) {
        searched_ = piece->end;
        break;
      }
      searched_ += static_cast<uint64_t>(static_cast<const char*>(hit) - from);
      switch (match(piece, searched_, separator)) {
        case Match::kYes: return static_cast<size_t>(searched_ - begin_);
        case Match::kTooShort: return std::nullopt;
        case Match::kNo: ++searched_; break;
      }
    }
  }
  return std::nullopt;
}

ReadBuffer::Match ReadBuffer::match(const Piece* piece, uint64_t position,
                                    std::string_view separator) noexcept {
  while (piece != nullptr) {
    const size_t count = std::min<size_t>(separator.size(), piece->end - position);
    if (std::memcmp(piece->data + (position - piece->begin), separator.data(), count) != 0) {
      return Match::kNo;
    }
    separator.remove_prefix(count);
    if (separator.empty()) return Match::kYes;
    position = piece->end;
    piece = piece->next;
  }
  return Match::kTooShort;
}

void ReadBuffer::restart() noexcept {
  searched_ = begin_;
  searched_in_ = nullptr;
}

const char* ReadBuffer::front(size_t size) const noexcept {
  if (first_ == nullptr || first_->end - begin_ < size) return nullptr;
  return first_->data + (begin_ - first_->begin);
}

size_t ReadBuffer::copy_to(char* into, size_t size) const noexcept {
  size_t copied = 0;
  uint64_t position = begin_;
  for (const Piece* piece = first_; piece != nullptr && copied < size; piece = piece->next) {
    const size_t count = std::min<size_t>(size - copied, piece->end - position);
    std::memcpy(into + copied, piece->data + (position - piece->begin), count);
    copied += count;
    position = piece->end;
  }
  return copied;
}

void ReadBuffer::consume(size_t size) noexcept {
  begin_ += std::min(size, this->size());
  while (first_ != nullptr && first_->end <= begin_) {
    Piece* done = first_;
    first_ = done->next;
    if (searched_in_ == done) searched_in_ = nullptr;
    std::free(done->data);
    std::free(done);
  }
  if (first_ == nullptr) last_ = nullptr;
}

}  // namespace skyloom::lua
