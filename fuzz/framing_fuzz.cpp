// Cuts a stream with net::FrameCutter as it might arrive, piece by piece, and holds the result
// against a cutter that sees the whole stream and could not be simpler: the same frames, the same
// error, the same bytes held back, and nothing held that a limit forbids. Input: framing, limit (2
// bytes), number of piece sizes (low 4 bits), the sizes, which repeat, then the stream.
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/framing.hpp"
#include "fuzz/input.hpp"
#include "net/frame_cutter.hpp"

namespace {

using skyloom::codec::Framing;
using skyloom::net::CutFrame;
using skyloom::net::FrameCutter;

struct Cut {
  std::vector<std::string> frames;
  bool failed = false;
  size_t rest = 0;  // bytes of the frame that is not whole
};

Cut reference_by_length(std::string_view stream, size_t header_size, size_t limit) {
  Cut cut;
  while (stream.size() >= header_size) {
    size_t size = 0;
    for (const char c : stream.substr(0, header_size)) size = size * 256 + static_cast<uint8_t>(c);
    if (size > limit) {
      cut.failed = true;
      return cut;
    }
    if (stream.size() - header_size < size) {  // a header is kept as a number, not as bytes
      cut.rest = stream.size() - header_size;
      return cut;
    }
    if (size != 0) cut.frames.emplace_back(stream.substr(header_size, size));
    stream.remove_prefix(header_size + size);
  }
  cut.rest = stream.size();
  return cut;
}

Cut reference_by_line(std::string_view stream, size_t limit) {
  Cut cut;
  for (size_t end = stream.find('\n'); end != std::string_view::npos; end = stream.find('\n')) {
    std::string_view line = stream.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > limit) {
      cut.failed = true;
      return cut;
    }
    cut.frames.emplace_back(line);
    stream.remove_prefix(end + 1);
  }
  cut.rest = stream.size();
  cut.failed = cut.rest > limit + 1;  // one more may be the '\r'
  return cut;
}

Cut cut_in_pieces(Framing framing, std::string_view stream, size_t limit,
                  std::string_view piece_sizes) {
  FrameCutter cutter(framing, limit);
  Cut cut;
  for (size_t piece = 0; !stream.empty(); ++piece) {
    const size_t size =
        piece_sizes.empty()
            ? stream.size()
            : size_t{1} + static_cast<uint8_t>(piece_sizes[piece % piece_sizes.size()]);
    // In a block of its own, so that a read beyond its end is seen.
    const std::string_view arrived = stream.substr(0, size);
    stream.remove_prefix(arrived.size());
    const std::vector<char> bytes(arrived.begin(), arrived.end());
    std::span<const char> input(bytes);
    for (;;) {
      auto frame = cutter.next(input);
      if (!frame) {
        cut.failed = true;
        return cut;
      }
      if (!frame->block) break;
      FUZZ_REQUIRE(frame->size <= limit);
      cut.frames.emplace_back(frame->block.get(), frame->size);
    }
    FUZZ_REQUIRE(input.empty());
    FUZZ_REQUIRE(cutter.pending_bytes() <= limit + skyloom::codec::kFrameHeaderBytesMax);
  }
  cut.rest = cutter.pending_bytes();
  return cut;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  constexpr Framing kFramings[] = {Framing::kLength16, Framing::kLength32, Framing::kLine};
  skyloom::fuzz::Input input(bytes, size);
  const Framing framing = kFramings[input.byte() % std::size(kFramings)];
  const size_t limit = input.number();
  const std::string_view piece_sizes = input.take(input.byte() % 16);
  const std::string_view stream = input.rest();

  const Cut expected =
      framing == Framing::kLine
          ? reference_by_line(stream, limit)
          : reference_by_length(stream, skyloom::codec::header_size(framing), limit);
  const Cut whole = cut_in_pieces(framing, stream, limit, {});
  const Cut split = cut_in_pieces(framing, stream, limit, piece_sizes);
  for (const Cut& cut : {whole, split}) {
    FUZZ_REQUIRE(cut.frames == expected.frames);
    FUZZ_REQUIRE(cut.failed == expected.failed);
    FUZZ_REQUIRE(cut.failed || cut.rest == expected.rest);
  }
  for (const std::string& frame : whole.frames) {  // and back: what was cut can be framed again
    char header[skyloom::codec::kFrameHeaderBytesMax];
    FUZZ_REQUIRE(skyloom::codec::put_header(framing, frame.size(), header));
  }
  return 0;
}
