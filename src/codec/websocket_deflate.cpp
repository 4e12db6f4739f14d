#include "codec/websocket_deflate.hpp"

#include <zlib.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/memory.hpp"

namespace skyloom::codec {
namespace {

// What a sender takes off the end of each message (RFC 7692, 7.2.1): an empty stored block, whose
// first three bits are in the byte before.
constexpr std::string_view kTail("\x00\x00\xff\xff", 4);
constexpr size_t kPieceBytesMax = size_t{1} << 30;  // zlib counts in 32 bits
constexpr size_t kRoomBytesMin = 4096;
constexpr int kMemoryLevel = 8;  // zlib's own default

constexpr WebSocketFailure kNoMemory{kCloseInternalError, "not enough memory"};
constexpr WebSocketFailure kTooLarge{kCloseTooLarge, "the message is too large"};
constexpr WebSocketFailure kNotDeflate{kCloseNotUtf8, "the compressed message is damaged"};

Bytef* zlib_bytes(const char* bytes) noexcept {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes));
}

// Room for output at the end of a string, which has `used` bytes of it already.
void set_room(z_stream& z, std::string& bytes, size_t used) noexcept {
  z.next_out = zlib_bytes(bytes.data() + used);
  z.avail_out = static_cast<uInt>(std::min(bytes.size() - used, kPieceBytesMax));
}

// Twice as much as there was, at most `bytes_max`.
bool grow(std::string& bytes, size_t bytes_max) noexcept {
  const size_t size = std::min(bytes_max, std::max(kRoomBytesMin, 2 * bytes.size()));
  return base::try_allocate([&] { bytes.resize(size); });
}

}  // namespace

// --- in

struct WebSocketInflater::Stream {
  z_stream z{};
};

void WebSocketInflater::StreamDeleter::operator()(Stream* stream) const noexcept {
  (void)inflateEnd(&stream->z);
  delete stream;
}

namespace {

// Where the message goes: of `bytes`, `used` are its own.
struct Inflated {
  std::string& bytes;
  size_t bytes_max;
  size_t used = 0;
};

// One call of inflate(). False: damaged. A block may be marked as the last one (RFC 7692, 7.2.3.4);
// the stream goes on behind it, with its window.
bool inflate_some(z_stream& z, int flush, Inflated& out) noexcept {
  const uInt room = z.avail_out;
  const int status = ::inflate(&z, flush);
  out.used += room - z.avail_out;
  if (status == Z_STREAM_END) return inflateResetKeep(&z) == Z_OK;
  return status == Z_OK || status == Z_BUF_ERROR;
}

WebSocketResult<void> inflate_all(z_stream& z, std::string_view input, int flush, Inflated& out) {
  do {
    const std::string_view piece = input.substr(0, kPieceBytesMax);
    input.remove_prefix(piece.size());
    z.next_in = zlib_bytes(piece.data());
    z.avail_in = static_cast<uInt>(piece.size());
    do {
      if (out.used == out.bytes.size()) {
        if (out.used > out.bytes_max) return kTooLarge;
        if (!grow(out.bytes, out.bytes_max + 1)) return kNoMemory;
      }
      set_room(z, out.bytes, out.used);
      if (!inflate_some(z, flush, out)) return kNotDeflate;
    } while (z.avail_in != 0 || z.avail_out == 0);
  } while (!input.empty());
  return {};
}

// Whether the last block has ended, at the end of a byte.
bool is_at_boundary(const z_stream& z) noexcept {
  constexpr int kBlockHasEnded = 128;
  constexpr int kUnusedBits = 7;
  return (z.data_type & kBlockHasEnded) != 0 && (z.data_type & kUnusedBits) == 0;
}

}  // namespace

WebSocketResult<void> WebSocketInflater::inflate(std::string_view compressed, size_t bytes_max,
                                                 std::string& into) noexcept {
  if (stream_ == nullptr) {
    Stream* const stream = new (std::nothrow) Stream;
    if (stream == nullptr) return kNoMemory;
    stream_.reset(stream);  // what it cannot begin, inflateEnd() ignores
    if (inflateInit2(&stream->z, -int{kDeflateWindowBitsMax}) != Z_OK) return kNoMemory;
  }
  into.clear();
  Inflated out{into, bytes_max};
  if (auto done = inflate_all(stream_->z, compressed, Z_SYNC_FLUSH, out); !done) return done;
  if (auto done = inflate_all(stream_->z, kTail, Z_BLOCK, out); !done) return done;
  if (!is_at_boundary(stream_->z)) return kNotDeflate;
  if (out.used > bytes_max) return kTooLarge;
  into.resize(out.used);
  if (!terms_.has_takeover) stream_.reset();
  return {};
}

// --- out

struct WebSocketDeflater::Stream {
  z_stream z{};
};

void WebSocketDeflater::StreamDeleter::operator()(Stream* stream) const noexcept {
  (void)deflateEnd(&stream->z);
  delete stream;
}

namespace {

// False: no memory.
bool deflate_all(z_stream& z, std::string_view input, std::string& into) noexcept {
  size_t used = 0;
  do {
    const std::string_view piece = input.substr(0, kPieceBytesMax);
    input.remove_prefix(piece.size());
    z.next_in = zlib_bytes(piece.data());
    z.avail_in = static_cast<uInt>(piece.size());
    do {
      if (used == into.size() && !grow(into, SIZE_MAX)) return false;
      set_room(z, into, used);
      const uInt room = z.avail_out;
      const int status = ::deflate(&z, input.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
      SKYLOOM_CHECK(status == Z_OK || status == Z_BUF_ERROR);  // else we have used it wrongly
      used += room - z.avail_out;
    } while (z.avail_out == 0);
  } while (!input.empty());
  into.resize(used);
  return true;
}

}  // namespace

bool WebSocketDeflater::deflate(std::string_view message, std::string& into) noexcept {
  if (message.empty()) {  // zlib would say nothing the second time
    return base::try_allocate([&] { into.assign(1, '\0'); });
  }
  if (stream_ == nullptr) {
    Stream* const stream = new (std::nothrow) Stream;
    if (stream == nullptr) return false;
    stream_.reset(stream);
    if (deflateInit2(&stream->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -int{terms_.window_bits},
                     kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
      stream_.reset();
      return false;
    }
  }
  into.clear();
  const bool is_done = deflate_all(stream_->z, message, into);
  if (!is_done || !terms_.has_takeover) stream_.reset();
  if (!is_done) return false;
  SKYLOOM_CHECK(std::string_view(into).ends_with(kTail));
  into.resize(into.size() - kTail.size());
  return true;
}

}  // namespace skyloom::codec
