#include "datagram_window.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace skyloom::load {
namespace {

using base::Nanos;
using Verdict = DatagramWindow::Verdict;

class DatagramWindowTest : public ::testing::Test {
 protected:
  std::vector<char> send(uint64_t number, Nanos now = Nanos(1)) {
    std::vector<char> datagram(1'000);
    datagram.resize(window_.fill(number, datagram));
    overran_ = window_.sent(number, now);
    return datagram;
  }

  Payload payload_{4, {16, 200}};
  DatagramWindow window_{payload_, 9, 4};
  bool overran_ = false;
};

TEST_F(DatagramWindowTest, AnEchoIsAnsweredOnceAndThenADuplicate) {
  const auto datagram = send(2, Nanos(5));
  const auto first = window_.receive(datagram);
  EXPECT_EQ(first.verdict, Verdict::kAnswered);
  EXPECT_EQ(first.sent_at, Nanos(5));
  EXPECT_EQ(window_.awaited(), 0u);
  EXPECT_EQ(window_.receive(datagram).verdict, Verdict::kDuplicate);
}

TEST_F(DatagramWindowTest, AnyFlippedBitIsCorrupt) {
  auto datagram = send(2);
  for (size_t at = 0; at < datagram.size(); ++at) {
    datagram[at] ^= 4;
    EXPECT_EQ(window_.receive(datagram).verdict, Verdict::kCorrupt) << at;
    EXPECT_GT(window_.receive(datagram).corrupt_bytes, 0u) << at;
    datagram[at] ^= 4;
  }
  EXPECT_EQ(window_.receive(datagram).verdict, Verdict::kAnswered);
}

TEST_F(DatagramWindowTest, AShortenedOrLengthenedDatagramIsCorrupt) {
  auto datagram = send(2);
  EXPECT_EQ(window_.receive(std::span(datagram).first(5)).verdict, Verdict::kCorrupt);
  datagram.push_back('x');
  EXPECT_EQ(window_.receive(datagram).verdict, Verdict::kCorrupt);
}

TEST_F(DatagramWindowTest, ADatagramOfAnotherConnectionIsCorrupt) {
  DatagramWindow other(payload_, 10, 4);
  std::vector<char> datagram(1'000);
  datagram.resize(other.fill(2, datagram));
  send(2);
  EXPECT_EQ(window_.receive(datagram).verdict, Verdict::kCorrupt);
}

TEST_F(DatagramWindowTest, WhatComesAfterItsDeadlineIsLostAndThenLate) {
  const auto datagram = send(2, Nanos(5));
  send(3, Nanos(9));
  std::vector<uint64_t> lost;
  window_.expire(Nanos(9), [&](uint64_t number) { lost.push_back(number); });
  EXPECT_EQ(lost, std::vector<uint64_t>{2});
  EXPECT_EQ(window_.awaited(), 1u);
  EXPECT_EQ(window_.receive(datagram).verdict, Verdict::kLate);
}

TEST_F(DatagramWindowTest, ASlotThatIsNeededAgainLosesItsOldDatagram) {
  const auto old = send(2);
  send(6);
  EXPECT_TRUE(overran_);
  EXPECT_EQ(window_.awaited(), 1u);
  EXPECT_EQ(window_.receive(old).verdict, Verdict::kLate);
}

TEST_F(DatagramWindowTest, ADuplicateOfTheSlotsLastDatagramIsOne) {
  const auto old = send(2);
  EXPECT_EQ(window_.receive(old).verdict, Verdict::kAnswered);
  send(6);
  EXPECT_EQ(window_.receive(old).verdict, Verdict::kDuplicate);
}

}  // namespace
}  // namespace skyloom::load
