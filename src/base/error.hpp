// What went wrong outside of us, as a small value: an errno, a resolver code, or a reason of our
// own. Any thread; trivially copyable, so that a failed hot call costs no allocation.
#pragma once

#include <cstdint>
#include <string>

#include "base/text.hpp"

namespace skyloom::base {

// Our own reasons. The texts reach users (ERROR events, log lines); see Error::message().
enum class Errc : int32_t {
  kConnectTimeout = 1,
  kIdleTimeout,
  kWriteTimeout,
  kDnsTimeout,
  kDnsQueueFull,
  kSocketLimit,
  kWriteBufferLimit,
  kFrameTooLarge,
  kBadAddress,
  kInvalidSocket,
  kSocketClosed,
  kNoAddress,
  kFirstByteTimeout,
  kFrameTimeout,
  kWriteBufferTotal,
  kUnixPathTooLong,
  kProxyHeader,
  kProxyHeaderLate,
};

using ErrorText = Text<127>;

class Error {
 public:
  enum class Domain : int32_t { kErrno, kResolver, kSkyloom };

  // `value` is an errno, read on the line after the call that failed.
  static constexpr Error from_errno(int value) noexcept { return {Domain::kErrno, value}; }
  // `value` is an EAI_ code.
  static constexpr Error from_resolver(int value) noexcept { return {Domain::kResolver, value}; }
  static constexpr Error of(Errc code) noexcept {
    return {Domain::kSkyloom, static_cast<int32_t>(code)};
  }

  constexpr Domain domain() const noexcept { return domain_; }
  // The errno, or 0 when the error is not one of the operating system's.
  constexpr int sys_errno() const noexcept { return domain_ == Domain::kErrno ? code_ : 0; }
  constexpr bool is(Errc code) const noexcept { return *this == of(code); }
  // The text of the failing operation's own error; never empty.
  std::string message() const;
  // The same, without memory.
  ErrorText text() const noexcept;

  friend constexpr bool operator==(const Error&, const Error&) noexcept = default;

 private:
  constexpr Error(Domain domain, int32_t code) noexcept : domain_(domain), code_(code) {}

  Domain domain_;
  int32_t code_;
};

}  // namespace skyloom::base
