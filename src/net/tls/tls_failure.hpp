// Why TLS has failed, in words that a user can act on.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"

namespace skyloom::net {

struct TlsFailure {
  base::Text<255> text;
};
template <class T>
using TlsResult = base::Result<T, TlsFailure>;

// The oldest reason in this thread's queue of OpenSSL, behind `what`; empties the queue.
TlsFailure tls_failure(std::string_view what) noexcept;

}  // namespace skyloom::net
