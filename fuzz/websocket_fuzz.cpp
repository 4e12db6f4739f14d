// Reads a stream of frames piece by piece and holds the result against the same stream in one read:
// the same messages, the same failure. What is told is within the limits and of the right form, and
// comes back when it is framed again. Input: flags (role, compression, takeover), limit (2 bytes),
// number of piece sizes (low 4 bits), the sizes, which repeat, then the stream.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "codec/utf8.hpp"
#include "codec/websocket_reader.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace skyloom::codec;

struct Told {
  WebSocketKind kind;
  std::string payload;
  uint16_t close_code;
  friend bool operator==(const Told&, const Told&) = default;
};

struct Reading {
  std::vector<Told> told;
  uint16_t failure = 0;
};

void check_message(const WebSocketMessage& message, size_t limit) {
  FUZZ_REQUIRE(message.kind != WebSocketKind::kContinuation);
  FUZZ_REQUIRE(message.payload.size() <=
               (is_control(message.kind) ? kWebSocketControlBytesMax : limit));
  if (message.kind == WebSocketKind::kText || message.kind == WebSocketKind::kClose) {
    FUZZ_REQUIRE(is_utf8(message.payload));
  }
}

Reading read(const WebSocketReaderOptions& options, std::string_view stream,
             std::string_view piece_sizes) {
  WebSocketReader reader(options);
  Reading reading;
  for (size_t piece = 0; !stream.empty(); ++piece) {
    const size_t size =
        piece_sizes.empty()
            ? stream.size()
            : size_t{1} + static_cast<uint8_t>(piece_sizes[piece % piece_sizes.size()]);
    // In a block of its own, so that a read beyond its end is seen.
    const std::string_view arrived = stream.substr(0, size);
    stream.remove_prefix(arrived.size());
    const std::vector<char> bytes(arrived.begin(), arrived.end());
    std::string_view input(bytes.data(), bytes.size());
    for (;;) {
      const auto message = reader.next(input);
      if (!message.ok()) {
        FUZZ_REQUIRE(reading.failure == 0);  // once is enough
        reading.failure = message.error().code;
        break;
      }
      if (!message->has_value()) break;
      check_message(**message, options.message_bytes_max);
      reading.told.push_back(
          {(*message)->kind, std::string((*message)->payload), (*message)->close_code});
    }
    FUZZ_REQUIRE(reading.failure != 0 || input.empty());
    FUZZ_REQUIRE(reader.pending_bytes() <= deflated_bytes_max(options.message_bytes_max) +
                                               kWebSocketHeaderBytesMax +
                                               kWebSocketControlBytesMax);
  }
  return reading;
}

// The frame that a peer of ours would have sent.
std::string framed(const Told& told, WebSocketRole reader) {
  std::array<char, kWebSocketControlBytesMax> close;
  std::string payload = told.payload;
  if (told.kind == WebSocketKind::kClose) {
    const auto size = put_close({told.close_code, told.payload}, close);
    FUZZ_REQUIRE(size.has_value());
    payload.assign(close.data(), *size);
  }
  WebSocketHeader header;
  header.kind = told.kind;
  header.payload_bytes = payload.size();
  if (reader == WebSocketRole::kServer) {
    header.mask = {1, 2, 3, 4};
    apply_mask(*header.mask, payload, 0);
  }
  std::array<char, kWebSocketHeaderBytesMax> into;
  const size_t size = put_websocket_header(header, into);
  return std::string(into.data(), size) + payload;
}

void try_again(const Reading& reading, const WebSocketReaderOptions& options) {
  std::string stream;
  for (const Told& told : reading.told) stream += framed(told, options.role);
  const Reading again = read(options, stream, {});
  FUZZ_REQUIRE(again.failure == 0);
  FUZZ_REQUIRE(again.told == reading.told);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  skyloom::fuzz::Input input(bytes, size);
  const uint8_t flags = input.byte();
  WebSocketReaderOptions options;
  options.role = (flags & 1) != 0 ? WebSocketRole::kClient : WebSocketRole::kServer;
  if ((flags & 2) != 0) options.deflate = DeflateTerms{(flags & 4) != 0, kDeflateWindowBitsMax};
  options.message_bytes_max = input.number();
  const std::string_view piece_sizes = input.take(input.byte() % 16);
  const std::string_view stream = input.rest();

  const Reading whole = read(options, stream, {});
  const Reading split = read(options, stream, piece_sizes);
  FUZZ_REQUIRE(whole.told == split.told);
  FUZZ_REQUIRE(whole.failure == split.failure);
  try_again(whole, options);
  return 0;
}
