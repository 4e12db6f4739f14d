// Unix sockets on the real kernel, since the simulated network has no files: every call that makes
// a listener of a path fails with each of its errors, and every allocation under a listener and a
// client fails in turn. No descriptor and no file is left behind, and the error is the one that
// happened.
#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "net/network.hpp"
#include "net/open_socket.hpp"
#include "net/poller/epoll_poller.hpp"
#include "os/real_kernel.hpp"
#include "testing/failing_memory.hpp"
#include "testing/fake_clock.hpp"
#include "testing/faulty_kernel.hpp"

namespace skyloom::faults {
namespace {

using base::Result;
using net::EventKind;
using net::ListenOptions;
using net::SocketId;
using os::SocketAddress;
using testing::Call;
using testing::MemoryPause;
using testing::MemoryPlan;
using testing::MemoryScope;

constexpr net::OwnerTag kOwner = 7;
constexpr mode_t kMode = 0600;

size_t entries_of(const char* folder) {
  size_t count = 0;
  DIR* const opened = ::opendir(folder);
  if (opened == nullptr) return 0;
  while (::readdir(opened) != nullptr) ++count;
  ::closedir(opened);
  return count;
}
size_t open_descriptors() {
  return entries_of("/proc/self/fd");
}

class UnixFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "skyloom_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    host_ = "unix:" + folder_ + "/s";
  }
  void TearDown() override { EXPECT_EQ(::rmdir(folder_.c_str()), 0) << "something is left"; }

  bool has_file() const { return ::access((folder_ + "/s").c_str(), F_OK) == 0; }
  void remove_file() const { ::unlink((folder_ + "/s").c_str()); }
  SocketAddress address() const { return SocketAddress::parse_unix(host_).value(); }
  // As a process that was killed leaves it.
  void abandon_file() {
    const int fd = kernel_.open_socket(AF_UNIX, os::SocketType::kStream).value();
    EXPECT_TRUE(kernel_.bind(fd, address()).ok());
    kernel_.close(fd);
  }

  os::RealKernel kernel_;
  std::string folder_;
  std::string host_;
};

TEST_F(UnixFaults, ACallThatFailsWhileAPathIsListenedOnLeavesNothingAndIsTheError) {
  struct Failures {
    Call call;
    std::vector<int> errors;
  };
  const std::vector<Failures> all = {
      {Call::kOpenSocket, {EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT}},
      {Call::kBind, {EACCES, EADDRINUSE, ELOOP, ENOENT, ENOMEM, ENOTDIR, EROFS}},
      {Call::kListen, {EADDRINUSE, EOPNOTSUPP}},
      {Call::kConnect, {EACCES, EAGAIN, EINTR, EPERM}},  // the look whether somebody lives there
      {Call::kSocketFile, {EACCES, ELOOP, ENOENT, ENOMEM}},
      {Call::kSetFileMode, {EPERM, EROFS, EIO}},
      {Call::kUnlink, {EACCES, EBUSY, EPERM, EROFS}},
  };
  size_t fired = 0;
  for (const bool abandoned : {false, true}) {
    for (const Failures& failing : all) {
      for (const int error : failing.errors) {
        for (int k = 1; k <= 4; ++k) {
          if (abandoned) abandon_file();
          const size_t before = open_descriptors();
          testing::FaultyKernel faulty(kernel_);
          faulty.fail(failing.call, k, error);
          const auto opened = net::open_listener(faulty, address(), {.file_mode = kMode});
          const bool hit = faulty.faults().injected_in_all() != 0;
          const auto what = "call " + std::to_string(static_cast<int>(failing.call)) + " number " +
                            std::to_string(k) + ": " + std::to_string(error);
          if (opened) {
            // bind() is asked again when it says that the file is there.
            EXPECT_TRUE(!hit || error == EADDRINUSE) << what;
            net::remove_file(kernel_, address(), opened->file);
            kernel_.close(opened->fd);
            EXPECT_FALSE(has_file()) << what;
          } else {
            EXPECT_TRUE(hit) << what << ": " << opened.error().message();
            // Who cannot look takes the file for somebody else's.
            const int told = opened.error().sys_errno();
            EXPECT_TRUE(told == error || told == EADDRINUSE) << what << ": " << told;
            EXPECT_TRUE(abandoned || !has_file()) << what;
          }
          remove_file();
          EXPECT_EQ(open_descriptors(), before) << what;
          fired += hit ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GE(fired, 60u);
}

// A listener, a client and an echo, in one thread.
class Conversation final : public net::EventSink, public base::LogSink, public net::Resolver {
 public:
  Conversation(os::Kernel& kernel, const std::string& host) : host_(host) {
    auto network = net::Network::create(
        {}, {.kernel = kernel, .clock = clock_, .sink = *this, .log = *this, .resolver = *this},
        [](void*) { return net::EpollPoller::create(); }, nullptr);
    network_ = std::move(network).value();
  }

  void play() {
    const MemoryScope scope;
    const Result<SocketId> listener = network_->listen(kOwner, {.host = host_, .file_mode = kMode});
    listener_ = listener ? *listener : 0;
    settle();
    if (!listener) return;
    network_->start(*listener, kOwner);
    const Result<SocketId> client = network_->connect(kOwner, {.host = host_});
    client_ = client ? *client : 0;
    settle();
    if (client) send(*client);
    settle();
    network_->close(*listener);
    if (client) network_->close(*client);
    settle();
  }
  void end() {
    network_->close_all();
    settle();
    network_.reset();
  }
  bool has_echo() const { return echoed_; }
  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  void send(SocketId id) {
    (void)network_->send(id, net::SendBuffer::copy_of("hello", 5), net::Priority::kHigh, nullptr);
  }
  void settle() {
    for (int quiet = 0; quiet < 3;) {
      net::Shard& shard = network_->shard(0);
      base::MutexLock turn(shard.turn_mutex());
      quiet = shard.turn(base::Nanos::zero()) == 0 ? quiet + 1 : 0;
      if (quiet != 0) clock_.advance(std::chrono::milliseconds(100));
    }
  }
  net::Appetite on_event(net::OwnerTag /*owner*/, net::Event event) noexcept override {
    const MemoryPause pause;
    const std::string text(event.text);
    if (event.kind == EventKind::kAccept) {
      if (text != "unix:") wrong_.push_back("ACCEPT from \"" + text + "\"");
      accepted_ = static_cast<SocketId>(event.value);
      network_->start(accepted_, kOwner);
    }
    const bool is_ours = event.socket == listener_ || event.socket == client_;
    if (event.kind == EventKind::kOpen && is_ours && text != host_ && text != "start") {
      wrong_.push_back("OPEN of \"" + text + "\"");
    }
    if (event.kind == EventKind::kData && event.socket == accepted_) send(accepted_);
    echoed_ = echoed_ || (event.kind == EventKind::kData && event.socket == client_);
    return net::Appetite::kHungry;
  }
  void log(std::string_view /*line*/) noexcept override {}
  void resolve(std::string /*host*/, std::function<void(Result<net::Addresses>)> done) override {
    done(base::Error::of(base::Errc::kNoAddress));
  }
  void close() noexcept override {}

  const std::string host_;
  testing::FakeClock clock_;
  std::unique_ptr<net::Network> network_;
  SocketId listener_ = 0;
  SocketId client_ = 0;
  SocketId accepted_ = 0;
  bool echoed_ = false;
  std::vector<std::string> wrong_;
};

TEST_F(UnixFaults, AnAllocationThatFailsLeavesNeitherFileNorDescriptorAndNoAddressIsWrong) {
  size_t failed = 0;
  for (const std::string& host : {host_, "unix:@" + folder_}) {
    for (const uint64_t times : {1u, 3u}) {
      for (uint64_t nth = 0;; ++nth) {  // 0: none fails
        const size_t before = open_descriptors();
        Conversation conversation(kernel_, host);
        testing::fail_memory({.nth = nth, .times = times});
        conversation.play();
        const uint64_t fired = testing::failed_allocations();
        testing::fail_memory({});
        conversation.end();
        for (const std::string& wrong : conversation.wrong()) {
          ADD_FAILURE() << host << ", allocation " << nth << ": " << wrong;
        }
        EXPECT_TRUE(nth != 0 || conversation.has_echo());
        EXPECT_FALSE(has_file()) << host << ", allocation " << nth;
        EXPECT_EQ(open_descriptors(), before) << host << ", allocation " << nth;
        if (nth != 0 && fired == 0) break;
        failed += fired;
      }
    }
  }
  EXPECT_GT(failed, 40u);
}

}  // namespace
}  // namespace skyloom::faults
