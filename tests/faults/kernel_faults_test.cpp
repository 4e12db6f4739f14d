// Every call of the kernel fails with each error that its manual page lists, at the first call, the
// second, and so on up to the fiftieth, while a scenario runs; then the same for the next scenario.
// SKYLOOM_FULL=1 plays all of it, otherwise a slice; SKYLOOM_FAULT=scenario:call:errno:k one run.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "scenarios.hpp"

namespace skyloom::faults {
namespace {

using testing::Call;

constexpr int kCallsMax = 50;

struct Failures {
  Call call;
  const char* name;
  std::vector<int> errors;
};

// What man 2 lists for the calls behind os::Kernel and net::Poller.
const std::vector<Failures>& failures() {
  static const std::vector<Failures> all = {
      {Call::kOpenSocket,
       "socket",
       {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT}},
      {Call::kBind,
       "bind",
       {EACCES, EADDRINUSE, EADDRNOTAVAIL, EBADF, EINVAL, ENOTSOCK, EFAULT, ELOOP, ENAMETOOLONG,
        ENOENT, ENOMEM, ENOTDIR, EROFS}},
      {Call::kListen, "listen", {EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP}},
      {Call::kAccept,
       "accept",
       {EAGAIN, EINTR, ECONNABORTED, EBADF, EFAULT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM,
        ENOTSOCK, EOPNOTSUPP, EPERM, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH}},
      {Call::kConnect,
       "connect",
       {EINTR, EAGAIN, EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EALREADY, EBADF,
        ECONNREFUSED, EFAULT, ENETUNREACH, ENOTSOCK, EPROTOTYPE, ETIMEDOUT}},
      {Call::kSetOption, "setsockopt", {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, ENOMEM}},
      {Call::kTakeError,
       "getsockopt",
       {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH,
        ENETUNREACH, ECONNRESET, EPIPE}},
      {Call::kLocalAddress, "getsockname", {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK}},
      {Call::kPeerAddress, "getpeername", {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTCONN, ENOTSOCK}},
      {Call::kRecv,
       "recv",
       {EINTR, EAGAIN, EBADF, ECONNREFUSED, EFAULT, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK, ECONNRESET,
        ETIMEDOUT}},
      {Call::kSend,
       "send",
       {EINTR, EAGAIN, EACCES, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINVAL, EISCONN,
        EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE}},
      {Call::kReadForeign, "read", {EINTR, EAGAIN, EBADF, EFAULT, EINVAL, EIO, EISDIR}},
      {Call::kWriteForeign,
       "write",
       {EINTR, EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFAULT, EFBIG, EINVAL, EIO, ENOSPC, EPERM,
        EPIPE}},
      {Call::kShutdownWrite, "shutdown", {EBADF, EINVAL, ENOTCONN, ENOTSOCK}},
      {Call::kUnsentBytes, "ioctl", {EBADF, EFAULT, EINVAL, ENOTTY}},
      {Call::kSendRoom, "send_room", {EBADF, EFAULT, EINVAL, ENOTTY}},
      {Call::kSendTo,
       "sendto",
       {EINTR, EAGAIN, EACCES, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINVAL, EISCONN, EMSGSIZE,
        ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE, ENETUNREACH, EHOSTUNREACH,
        ECONNREFUSED}},
      {Call::kRecvFrom,
       "recvfrom",
       {EINTR, EAGAIN, EBADF, ECONNREFUSED, EFAULT, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK}},
      {Call::kSetNonblocking, "fcntl", {EBADF, EPERM, EINVAL, EACCES}},
      {Call::kOpenReserve, "open", {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, EINTR}},
      {Call::kAdd, "epoll_ctl_add", {EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM}},
      {Call::kModify, "epoll_ctl_mod", {EBADF, EINVAL, ENOENT, ENOMEM, EPERM}},
      {Call::kWait, "epoll_wait", {EINTR, EBADF, EFAULT, EINVAL}},
  };
  return all;
}

// Nobody may notice these.
bool is_invisible(const Fault& fault) {
  switch (fault.call) {
    case Call::kSetOption:
    case Call::kPeerAddress:
    case Call::kSendRoom:
    case Call::kOpenReserve:
    case Call::kWait: return true;
    case Call::kAccept:
    case Call::kConnect:
    case Call::kRecv:
    case Call::kSend:
    case Call::kReadForeign:
    case Call::kWriteForeign:
    case Call::kSendTo:
    case Call::kRecvFrom: return fault.errno_value == EAGAIN || fault.errno_value == EINTR;
    default: return false;
  }
}

struct Baseline {
  size_t errors = 0;
};

Verdict play(const Scenario& scenario, const std::optional<Fault>& fault) {
  World world(scenario.options, fault);
  scenario.play(world);
  return world.finish();
}

// What a fault may do to the run beyond the rules that hold always.
void judge(const Fault& fault, const Baseline& baseline, Verdict& verdict) {
  if (is_invisible(fault)) {
    if (verdict.spoiled != 0) verdict.broken.push_back("an interruption spoiled a conversation");
    // Without the reserve, who waits for a descriptor is told more often.
    const bool counts = fault.call != Call::kOpenReserve;
    if (counts && verdict.errors != baseline.errors)
      verdict.broken.push_back("an interruption was told");
    return;
  }
  // What comes over one listener is lost with it; otherwise one descriptor is one conversation,
  // heard from both sides.
  if (!verdict.hit_listener && verdict.spoiled > 2) {
    verdict.broken.push_back(std::to_string(verdict.spoiled) + " conversations were spoiled");
  }
  if (verdict.errors > baseline.errors && !verdict.told_reason) {
    verdict.broken.push_back("no ERROR has the text of the error");
  }
}

class Sweep {
 public:
  explicit Sweep(const Scenario& scenario, int stride) : scenario_(scenario), stride_(stride) {
    Verdict clean = play(scenario, std::nullopt);
    report("no fault", clean);
    baseline_.errors = clean.errors;
  }

  // Up to the k at which the scenario makes no such call any more.
  void fail_each(const Failures& failing) {
    for (const int error : failing.errors) {
      for (int k = 1; k <= kCallsMax; ++k) {
        if ((turn_++) % stride_ != 0) continue;
        if (!fail_one({failing.call, error, k}, failing.name)) break;
      }
    }
  }

  bool fail_one(const Fault& fault, const char* name) {
    Verdict verdict = play(scenario_, fault);
    ++runs_;
    if (verdict.fired == 0) return false;
    fired_ += verdict.fired;
    judge(fault, baseline_, verdict);
    report(std::string(name) + ":" + std::to_string(fault.errno_value) + ":" +
               std::to_string(fault.k) + " (" + std::strerror(fault.errno_value) + ")",
           verdict);
    return true;
  }

  size_t fired() const { return fired_; }
  size_t runs() const { return runs_; }

 private:
  void report(const std::string& what, const Verdict& verdict) {
    for (const std::string& broken : verdict.broken) {
      ADD_FAILURE() << "SKYLOOM_FAULT=" << scenario_.name << ":" << what << ": " << broken;
    }
  }

  const Scenario& scenario_;
  const int stride_;
  Baseline baseline_;
  int turn_ = 0;
  size_t fired_ = 0;
  size_t runs_ = 0;
};

size_t fired_in_all = 0;

class KernelFaults : public ::testing::TestWithParam<Scenario> {
 protected:
  static void TearDownTestSuite() {
    std::printf("kernel faults that really happened: %zu\n", fired_in_all);
  }
};

TEST_P(KernelFaults, NoneBreaksARule) {
  const bool full = std::getenv("SKYLOOM_FULL") != nullptr;
  Sweep sweep(GetParam(), full ? 1 : 7);
  for (const Failures& failing : failures()) sweep.fail_each(failing);
  EXPECT_GT(sweep.fired(), 0u);
  fired_in_all += sweep.fired();
  std::printf("%s: %zu faults in %zu runs\n", GetParam().name, sweep.fired(), sweep.runs());
}

INSTANTIATE_TEST_SUITE_P(Scenarios, KernelFaults, ::testing::ValuesIn(all_scenarios()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace skyloom::faults
