// Counts durations in log-linear buckets (128 per power of two): fixed memory, any range, and a
// relative error of less than 1 %. Home: one thread; merge() after the run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"

namespace skyloom::load {

class Histogram {
 public:
  // Negative durations (clock steps, rounding) count as zero.
  void record(base::Nanos duration) noexcept;
  void merge(const Histogram& other) noexcept;

  uint64_t count() const noexcept { return count_; }
  base::Nanos min() const noexcept;  // zero when nothing was recorded, as are the next three
  base::Nanos max() const noexcept { return base::Nanos(static_cast<int64_t>(max_)); }
  base::Nanos mean() const noexcept;
  // The smallest duration that at least `percent` (0 to 100) of the records do not exceed, rounded
  // up to the end of its bucket; never more than max().
  base::Nanos percentile(double percent) const noexcept;

 private:
  static constexpr int kPrecisionBits = 7;
  static constexpr uint64_t kBucketsPerOctave = uint64_t{1} << kPrecisionBits;
  static constexpr size_t kShiftMax = 64 - (kPrecisionBits + 1);
  static constexpr size_t kBuckets = (kShiftMax + 2) * kBucketsPerOctave;

  static size_t bucket_of(uint64_t value) noexcept;
  static uint64_t bucket_end(size_t bucket) noexcept;

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace skyloom::load
