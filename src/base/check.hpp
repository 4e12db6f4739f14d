// SKYLOOM_CHECK stops the process on a mistake of ours, in release builds too, where going on would
// corrupt memory. What a peer, a script, a file or the kernel can cause is never checked this way.
#pragma once

namespace skyloom::base {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace skyloom::base

#define SKYLOOM_CHECK(condition)      \
  ((condition) ? static_cast<void>(0) \
               : ::skyloom::base::check_failed(#condition, __FILE__, __LINE__))
