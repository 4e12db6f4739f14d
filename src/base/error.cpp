#include "base/error.hpp"

#include <netdb.h>
#include <string.h>  // strerror_r: the C header, because <cstring> does not promise it

namespace skyloom::base {
namespace {

const char* own_text(Errc code) noexcept {
  switch (code) {
    case Errc::kConnectTimeout: return "connect timeout";
    case Errc::kIdleTimeout: return "idle timeout";
    case Errc::kWriteTimeout: return "write timeout";
    case Errc::kDnsTimeout: return "dns timeout";
    case Errc::kDnsQueueFull: return "dns queue full";
    case Errc::kSocketLimit: return "reach skynet socket number limit";
    case Errc::kWriteBufferLimit: return "write buffer limit";
    case Errc::kFrameTooLarge: return "frame too large";
    case Errc::kBadAddress: return "bad address";
    case Errc::kInvalidSocket: return "invalid socket";
    case Errc::kSocketClosed: return "socket closed";
    case Errc::kNoAddress: return "no address for this name";
    case Errc::kFirstByteTimeout: return "first byte timeout";
    case Errc::kFrameTimeout: return "frame timeout";
    case Errc::kWriteBufferTotal: return "write buffer limit of the node";
    case Errc::kUnixPathTooLong: return "unix: path or name of more than 107 bytes";
    case Errc::kProxyHeader: return "bad PROXY header";
    case Errc::kProxyHeaderLate: return "PROXY header not there in time";
  }
  return "unknown error";
}

}  // namespace

ErrorText Error::text() const noexcept {
  switch (domain_) {
    case Domain::kErrno: {
      char text[128];
      return std::string_view(::strerror_r(code_, text, sizeof text));  // GNU's: any thread
    }
    case Domain::kResolver: return std::string_view(::gai_strerror(code_));
    case Domain::kSkyloom: return std::string_view(own_text(static_cast<Errc>(code_)));
  }
  return std::string_view("unknown error");
}

std::string Error::message() const {
  return std::string(text().view());
}

}  // namespace skyloom::base
