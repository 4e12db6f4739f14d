#include "histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace skyloom::load {

using base::Nanos;

// Values below 256 have a bucket each; above, the highest 8 bits choose it. `shift * 128 + top
// bits` is contiguous, because the top bits of a shifted value start at 128.
size_t Histogram::bucket_of(uint64_t value) noexcept {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (kPrecisionBits + 1));
  return static_cast<size_t>(shift) * kBucketsPerOctave + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::bucket_end(size_t bucket) noexcept {
  if (bucket < 2 * kBucketsPerOctave) return bucket;
  const size_t shift = bucket / kBucketsPerOctave - 1;
  const uint64_t top = bucket - shift * kBucketsPerOctave;
  return (top << shift) + ((uint64_t{1} << shift) - 1);
}

void Histogram::record(Nanos duration) noexcept {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0));
  ++counts_[bucket_of(value)];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::merge(const Histogram& other) noexcept {
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) counts_[bucket] += other.counts_[bucket];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

Nanos Histogram::min() const noexcept {
  return count_ == 0 ? Nanos(0) : Nanos(static_cast<int64_t>(min_));
}

Nanos Histogram::mean() const noexcept {
  if (count_ == 0) return Nanos(0);
  return Nanos(static_cast<int64_t>(sum_ / static_cast<double>(count_)));
}

Nanos Histogram::percentile(double percent) const noexcept {
  if (count_ == 0) return Nanos(0);
  const double wanted =
      std::ceil(std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(count_));
  const auto rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) return Nanos(static_cast<int64_t>(std::min(bucket_end(bucket), max_)));
  }
  return max();
}

}  // namespace skyloom::load
