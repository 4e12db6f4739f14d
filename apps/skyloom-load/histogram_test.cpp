#include "histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.hpp"

namespace skyloom::load {
namespace {

using base::Nanos;

TEST(Histogram, AnEmptyOneHasOnlyZeros) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.percentile(50), Nanos(0));
  EXPECT_EQ(empty.min(), Nanos(0));
  EXPECT_EQ(empty.max(), Nanos(0));
  EXPECT_EQ(empty.mean(), Nanos(0));
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.record(Nanos(value));
  EXPECT_EQ(histogram.percentile(50), Nanos(50));
  EXPECT_EQ(histogram.percentile(99), Nanos(99));
  EXPECT_EQ(histogram.percentile(0), Nanos(1));
  EXPECT_EQ(histogram.percentile(100), Nanos(100));
  EXPECT_EQ(histogram.mean(), Nanos(50));
}

TEST(Histogram, ThePercentileIsAtMostOnePercentAboveTheExactOne) {
  constexpr uint64_t kSeed = 7;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  base::SeededRandom random(kSeed);
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<int64_t>(random.next() >> (2 + random.below(60)));
    values.push_back(value);
    histogram.record(Nanos(value));
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
    const int64_t exact = values[static_cast<size_t>(rank) - 1];
    const int64_t found = histogram.percentile(percent).count();
    EXPECT_GE(found, exact) << percent;
    EXPECT_LE(static_cast<double>(found), static_cast<double>(exact) * 1.01) << percent;
  }
}

TEST(Histogram, TheLargestDurationFits) {
  Histogram histogram;
  histogram.record(Nanos::max());
  EXPECT_EQ(histogram.max(), Nanos::max());
  EXPECT_EQ(histogram.percentile(50), Nanos::max());
}

TEST(Histogram, NegativeDurationsCountAsZero) {
  Histogram histogram;
  histogram.record(Nanos(-5));
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.max(), Nanos(0));
}

TEST(Histogram, MergingEqualsRecordingEverythingInOne) {
  Histogram left;
  Histogram right;
  Histogram all;
  for (int64_t value = 1; value < 1'000'000; value = value * 3 + 1) {
    (value % 2 == 0 ? left : right).record(Nanos(value));
    all.record(Nanos(value));
  }
  left.merge(right);
  EXPECT_EQ(left.count(), all.count());
  EXPECT_EQ(left.min(), all.min());
  EXPECT_EQ(left.max(), all.max());
  EXPECT_EQ(left.percentile(75), all.percentile(75));
}

}  // namespace
}  // namespace skyloom::load
