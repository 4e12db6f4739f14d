#include "net/tls/tls_failure.hpp"

#include <openssl/err.h>

#include <cstring>

namespace skyloom::net {

TlsFailure tls_failure(std::string_view what) noexcept {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  TlsFailure failure{{what}};
  if (code == 0) return failure;
  failure.text << ": ";
  if (ERR_SYSTEM_ERROR(code)) {
    char text[128];
    failure.text << strerror_r(ERR_GET_REASON(code), text, sizeof text);
  } else if (const char* reason = ERR_reason_error_string(code)) {
    failure.text << reason;
  } else {
    failure.text << "error " << code;
  }
  return failure;
}

}  // namespace skyloom::net
