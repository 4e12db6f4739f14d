// Random scripts, played on the real kernel and on the simulation at once: after each step both
// must have answered alike and every descriptor must show the same flags. SKYLOOM_SEED=<n> repeats
// one script.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "os/real_clock.hpp"
#include "os/real_kernel.hpp"
#include "testing/gtest_results.hpp"
#include "testing/peer.hpp"

namespace skyloom::testing {
namespace {

inline constexpr size_t kEnds = 6;  // three connections: 0-1, 2-3, 4-5
inline constexpr int kStepsPerScript = 400;
inline constexpr uint64_t kScripts = 20;

enum class Step { kSend, kRecv, kShutdown, kTakeError, kPeerAddress, kClose, kReset, kConnect };

std::string name_of(Step step) {
  static constexpr std::array kNames = {"send",         "recv",  "shutdown", "take_error",
                                        "peer_address", "close", "reset",    "connect"};
  return kNames[static_cast<size_t>(step)];
}

std::string text_of(const net::Readiness& now) {
  return std::string(now.readable ? "r" : "") + (now.writable ? "w" : "") +
         (now.failed ? "f" : "") + (now.hung_up ? "h" : "");
}

// One kernel's side of the script.
class Side {
 public:
  Side(os::Kernel& kernel, Waiter& waiter) : world_{kernel, waiter} {}
  ~Side() {
    for (const int fd : ends_) {
      if (fd >= 0) world_.kernel.close(fd);
    }
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  bool is_open(size_t end) const { return ends_[end] >= 0; }
  std::string flags(size_t end) const {
    return is_open(end) ? text_of(world_.waiter.readiness(ends_[end])) : "closed";
  }

  void connect(size_t connection) {
    auto listener = PeerListener::open(world_, *os::SocketAddress::parse("127.0.0.1", 0));
    ASSERT_TRUE(is_ok(listener));
    const int fd = world_.kernel.open_socket(AF_INET, os::SocketType::kStream).value();
    EXPECT_TRUE(fails_with(world_.kernel.connect(fd, listener->address()), EINPROGRESS));
    EXPECT_TRUE(world_.waiter.wait_ready(fd, {.write = true}, kPeerDeadline));
    ends_[2 * connection] = fd;
    EXPECT_TRUE(world_.waiter.wait_ready(listener->fd(), {.read = true}, kPeerDeadline));
    ends_[2 * connection + 1] = world_.kernel.accept(listener->fd()).value().fd;
    for (const size_t end : {2 * connection, 2 * connection + 1}) {  // the simulation has no Nagle
      EXPECT_TRUE(is_ok(world_.kernel.set_option(ends_[end], os::SocketOption::kNoDelay, 1)));
    }
  }

  // What the call answered. `expected`: how many bytes the other side received; waits for as many.
  std::string play(Step step, size_t end, const std::string& bytes, size_t expected) {
    const int fd = ends_[end];
    switch (step) {
      case Step::kSend: {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        const auto sent = world_.kernel.send(fd, std::span(&part, 1));
        return sent ? std::to_string(sent.value()) : sent.error().message();
      }
      case Step::kRecv: return recv(fd, bytes.size(), expected);
      case Step::kShutdown: return told(world_.kernel.shutdown_write(fd));
      case Step::kTakeError: return told(world_.kernel.take_error(fd));
      case Step::kPeerAddress: {
        const auto peer = world_.kernel.peer_address(fd);
        return peer ? "connected" : peer.error().message();
      }
      case Step::kClose: world_.kernel.close(fd); break;
      case Step::kReset: world_.waiter.reset(fd); break;
      case Step::kConnect: return "";
    }
    ends_[end] = -1;
    return "closed";
  }

 private:
  static std::string told(const base::Status& status) {
    return status ? "ok" : status.error().message();
  }

  std::string recv(int fd, size_t bytes_max, size_t expected) {
    std::string all;
    do {
      std::string bytes(bytes_max - all.size(), '\0');
      const auto size = world_.kernel.recv(fd, bytes);
      if (!size) return size.error().message();
      all.append(bytes, 0, size.value());
      if (size.value() == 0) return "end";
    } while (all.size() < expected &&
             world_.waiter.wait_ready(fd, {.read = true}, std::chrono::seconds(5)));
    return "got " + all;
  }

  PeerWorld world_;
  std::vector<int> ends_ = std::vector<int>(kEnds, -1);
};

class LockstepTest : public ::testing::Test {
 protected:
  // Both answer alike and look alike, though the real network may take a moment.
  void expect_same_flags() {
    const os::RealClock clock;
    const base::Nanos end = clock.now() + std::chrono::seconds(5);
    for (size_t index = 0; index < kEnds; ++index) {
      const std::string simulated = simulated_.flags(index);
      std::string real = real_.flags(index);
      while (real != simulated && clock.now() < end) {
        std::this_thread::yield();
        real = real_.flags(index);
      }
      EXPECT_EQ(real, simulated) << "end " << index;
    }
  }

  void play(Step step, size_t end, size_t size) {
    const std::string bytes(size, static_cast<char>('a' + size % 26));
    const std::string simulated = simulated_.play(step, end, bytes, 0);
    last_answer_ = simulated;
    const bool got = simulated.starts_with("got ");
    const size_t expected = got ? simulated.size() - 4 : 0;
    EXPECT_EQ(real_.play(step, end, step == Step::kRecv && got ? std::string(expected, ' ') : bytes,
                         expected),
              simulated);
  }

  void run_script(uint64_t seed) {
    base::SeededRandom random(seed);
    for (size_t connection = 0; connection < kEnds / 2; ++connection) {
      real_.connect(connection);
      simulated_.connect(connection);
    }
    for (int number = 0; number < kStepsPerScript && !HasFailure(); ++number) {
      const size_t end = random.below(kEnds);
      // Rare steps that end a connection, so that most scripts get far before them.
      static constexpr std::array kSteps = {Step::kSend,  Step::kSend,      Step::kSend,
                                            Step::kRecv,  Step::kRecv,      Step::kRecv,
                                            Step::kRecv,  Step::kTakeError, Step::kPeerAddress,
                                            Step::kClose, Step::kReset,     Step::kShutdown};
      Step step = kSteps[random.below(kSteps.size())];
      const size_t other = end ^ 1;
      if (!simulated_.is_open(end)) {
        if (simulated_.is_open(other)) continue;
        real_.connect(end / 2);
        simulated_.connect(end / 2);
        step = Step::kConnect;
        story_[end / 2].clear();
      } else {
        play(step, end, 1 + random.below(64));
      }
      expect_same_flags();
      story_[end / 2] += " " + std::to_string(end) + ":" + name_of(step) + "=" + last_answer_;
      EXPECT_FALSE(HasFailure()) << "seed " << seed << ", step " << number
                                 << "; the connection's story:" << story_[end / 2];
    }
  }

  std::array<std::string, kEnds / 2> story_;
  std::string last_answer_;
  os::RealKernel kernel_;
  RealWaiter waiter_;
  SimNetwork network_;
  SimWaiter sim_waiter_{network_};
  Side real_{kernel_, waiter_};
  Side simulated_{network_, sim_waiter_};
};

class LockstepScripts : public LockstepTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(LockstepScripts, TheSimulationAnswersLikeLinux) {
  const char* chosen = std::getenv("SKYLOOM_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : GetParam();
  run_script(seed);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LockstepScripts, ::testing::Range(uint64_t{1}, kScripts + 1));

}  // namespace
}  // namespace skyloom::testing
